"""Thread counts: how they are chosen, remembered and used by a real engine; what the daemon leaves alone."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bramble import affinity
from bramble.engine import wire
from bramble.engine.tune import Counts, best, candidates, key, recall, remember
from tests.engine.rig import Ask, Rig

CORES = sorted(os.sched_getaffinity(0))
DEADLINE = 60


@pytest.mark.parametrize(
    ("cores", "counts"),
    [(1, [1]), (2, [2, 1]), (4, [4, 3, 2, 1]), (6, [6, 4, 3, 2, 1]), (8, [8, 6, 4, 3, 2, 1])],
)
def test_which_counts_are_tried(cores: int, counts: list[int]) -> None:
    assert candidates(cores) == counts


@pytest.mark.parametrize(
    ("speeds", "chosen"),
    [
        ({1: 10.0, 2: 27.0, 3: 25.0, 4: 19.0}, 2),
        ({1: 10.0, 2: 20.0, 3: 29.0, 4: 29.5}, 4),
        ({4: 20.0, 3: 20.9, 2: 19.0}, 4),
        ({4: 20.0, 3: 22.0, 2: 22.5}, 3),
        ({1: 5.0}, 1),
    ],
)
def test_fewer_threads_must_be_clearly_faster(speeds: dict[int, float], chosen: int) -> None:
    assert best(speeds) == chosen


def test_what_was_found_is_remembered_by_board_model_and_build(tmp_path: Path) -> None:
    one, other = tmp_path / "one.gguf", tmp_path / "other.gguf"
    one.write_bytes(b"GGUF one")
    other.write_bytes(b"GGUF other")
    file = tmp_path / "cache" / "threads.json"
    assert recall(file, key(one, 4)) is None
    remember(file, key(one, 4), Counts(2, 4))
    remember(file, key(other, 4), Counts(3, 3))
    assert recall(file, key(one, 4)) == Counts(2, 4)
    assert recall(file, key(other, 4)) == Counts(3, 3)
    assert recall(file, key(one, 3)) is None
    assert "llama-cpp-python 0." in key(one, 4)
    assert [each.name for each in file.parent.iterdir()] == ["threads.json"]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[1]", b'{"a": {"decode": 0}}'])
def test_a_damaged_memory_is_ignored_and_replaced(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "threads.json"
    file.write_bytes(content)
    assert recall(file, "a") is None
    remember(file, "a", Counts(1, 2))
    assert recall(file, "a") == Counts(1, 2)


def test_the_memory_is_bounded(tmp_path: Path) -> None:
    file = tmp_path / "threads.json"
    for n in range(40):
        remember(file, str(n), Counts(n + 1, 1))
    assert recall(file, "0") is None
    assert recall(file, "39") == Counts(40, 1)
    assert len(json.loads(file.read_text())) == 32


def computing_cores(rig: Rig) -> list[int]:
    """The core of every thread that is allowed on exactly one."""
    status = Path(f"/proc/{rig.process.pid}/task").glob("*/status")
    lists = [re.findall(r"Cpus_allowed_list:\t(.*)", path.read_text())[0] for path in status]
    return [int(cores) for cores in lists if cores.isdecimal()]


@pytest.mark.skipif(len(CORES) < 2, reason="one core leaves nothing to choose")
def test_an_engine_uses_what_was_remembered(starter: Path, tmp_path: Path) -> None:
    file = tmp_path / "threads.json"
    remember(file, key(starter, len(CORES)), Counts(1, 2))
    rig = Rig(starter, changes={"tuning": str(file)})
    assert isinstance(rig.first, wire.Ready)
    assert (rig.first.threads, rig.first.prefill_threads) == (1, 2)
    assert rig.answer(Ask("Name three birds. " * 20, tokens=8)).text
    assert sorted(computing_cores(rig)) == CORES[:2]
    rig.close()


@pytest.mark.skipif(len(CORES) < 2, reason="one core leaves nothing to choose")
def test_numbers_win_and_count_for_each_alone(starter: Path, tmp_path: Path) -> None:
    file = tmp_path / "threads.json"
    remember(file, key(starter, len(CORES)), Counts(2, 2))
    rig = Rig(starter, changes={"tuning": str(file), "prefill_threads": 1})
    assert isinstance(rig.first, wire.Ready)
    assert (rig.first.threads, rig.first.prefill_threads) == (2, 1)
    rig.close()


@pytest.mark.skipif(len(CORES) < 2, reason="one core leaves nothing to choose")
def test_an_engine_runs_on_the_cores_it_is_told(starter: Path) -> None:
    rig = Rig(starter, changes={"cores": (CORES[-1],)})
    assert isinstance(rig.first, wire.Ready)
    assert rig.first.threads == 1
    assert set(computing_cores(rig)) == {CORES[-1]}
    rig.close()


MEASURE = """
import sys, time
from pathlib import Path
from bramble.engine import loading, tune, wire
order = wire.Load(sys.argv[1], 512, 1, 1, 128, 250, prefill_threads=1)
cores = loading.cores()
parts = loading.load(order, lambda _: None)
began = time.monotonic()
counts = tune.quick(parts.context, parts.model.tokenize("a")[-1], cores)
print(time.monotonic() - began, counts and (counts.decode, counts.prefill))
print(parts.context.forget(0))
"""


def test_the_quick_measurement_is_quick(starter: Path) -> None:
    command = [sys.executable, "-c", MEASURE, str(starter)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == 0, done.stderr
    seconds, counts = done.stdout.splitlines()[0].split(maxsplit=1)
    assert float(seconds) < 10  # one step past the deadline at most, beside whatever else runs here
    if counts != "None":
        decode, prefill = map(int, re.findall(r"\d+", counts))
        assert {decode, prefill} <= set(candidates(len(CORES)))


def test_the_daemon_keeps_off_decoding_cores_where_there_are_enough() -> None:
    assert affinity.own_cores([0, 1, 2, 3], decode=2) == [2, 3]
    assert affinity.own_cores([4, 5, 6], decode=2) == [6]
    assert affinity.own_cores([0, 1, 2, 3], decode=4) == [0, 1, 2, 3]
    assert affinity.own_cores([0, 1], decode=1) == [0, 1]
    assert affinity.own_cores([0], decode=1) == [0]


def test_every_thread_of_a_process_is_moved() -> None:
    code = """
import os, threading
from bramble import affinity
stop = threading.Event()
thread = threading.Thread(target=stop.wait)
thread.start()
cores = sorted(os.sched_getaffinity(0))
affinity.keep_to(cores[-1:])
print(all(os.sched_getaffinity(task) == {cores[-1]} for task in (0, thread.native_id)))
affinity.keep_to([4095])
print(os.sched_getaffinity(0) == {cores[-1]})
stop.set()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=DEADLINE
    )
    assert done.stdout.split() == ["True", "True"], done.stderr
