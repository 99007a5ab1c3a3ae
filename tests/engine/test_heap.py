"""Memory of states that come and go, as the kernel counts it; each in a process of its own, as it counts for all."""

import random
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from bramble.engine import wire
from tests.engine.rig import Ask, Rig

STATES = """
import random, sys
from collections import deque
import psutil
from bramble.engine import heap

if "part" in sys.argv:
    heap.part()
random.seed(1)
before = psutil.Process().memory_info().rss
kept = deque()
for _ in range(400):
    kept.append(bytearray(b"x") * random.randrange(1 << 20, 20 << 20))
    while sum(map(len, kept)) > 96 << 20:
        kept.popleft()
held = sum(map(len, kept))
taken = psutil.Process().memory_info().rss - before - held
kept.clear()
print(taken >> 20, psutil.Process().memory_info().rss - before >> 20)
"""
"""Up to 96 MiB of blocks of 1 to 20: prints how many MiB more they take, and what is left when all are freed."""

OUTPUTS = """
import sys
from pathlib import Path
import psutil
from bramble.engine.batch import Pace
from bramble.engine.candidates import candidates
from bramble.engine.context import Context
from bramble.engine.llama import Model
from bramble.engine.warm import warm_up

def held():
    memory = psutil.Process().memory_info()
    return memory.rss - memory.shared

model = Model(Path(sys.argv[1]), mmap=True, progress=lambda _: None)
context = Context(model, size=1024, slots=4, batch=128, threads=2, guess_rows=8)
warm_up(context, model, Pace(rows_max=128, max_step_ms=300), lambda _: None)
before = held()
context.clear_rows()
context.add_rows(0, model.tokenize("a") * 12, 0, outputs=12)
context.decode()
context.synchronize()
candidates().load(context, 11)
print(held() - before)
"""
"""The most rows with logits that a step may have, and one of them for a grammar: prints the bytes that both take."""


def mebibytes(*arguments: str) -> tuple[int, int]:
    command = [sys.executable, "-c", STATES, *arguments]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    more, left = map(int, ran.stdout.split())
    return more, left


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's")
def test_states_that_come_and_go_take_little_more_than_they_hold() -> None:
    more, left = mebibytes("part")
    assert more < mebibytes()[0] / 4
    assert left < 10


def test_long_guesses_and_grammars_take_no_memory_that_loading_did_not(starter: Path) -> None:
    command = [sys.executable, "-c", OUTPUTS, str(starter)]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    assert int(ran.stdout) < 500_000


def held(rig: Rig) -> int:
    """Bytes of its own that an engine holds when it has nothing to do."""
    rig.send(wire.Ping(1))
    told = len(rig.pongs)
    while len(rig.pongs) == told:
        rig.read()
    memory = psutil.Process(rig.process.pid).memory_info()
    return memory.rss - memory.shared


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's")
def test_an_idle_engine_has_given_back_what_it_can(starter: Path) -> None:
    rig = Rig(starter, changes={"aside": 16_000_000})
    numbers = random.Random(1)
    for number in range(40):
        words = " ".join(f"{number}: {word}" for word in range(numbers.randrange(20, 60)))
        rig.answer(Ask(words, tokens=2))
    before = held(rig)
    rig.send(wire.Limits(threads=1))  # gives back, too
    assert before - held(rig) < 500_000
    assert rig.close() == 0
