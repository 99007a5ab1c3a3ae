"""Tests of what the collector leaves lying about, each in a process of its own, for all of which it counts."""

import subprocess
import sys

RINGS = """
import sys
from collections import deque
import bramble.serve
from bramble import garbage

class Ring:
    alive = most = 0

    def __init__(self):
        self.me, self.held = self, [{} for _ in range(5)]
        Ring.alive += 1
        Ring.most = max(Ring.most, Ring.alive)

    def __del__(self):
        Ring.alive -= 1

if "settle" in sys.argv:
    garbage.settle()
used = deque(maxlen=1000)
for _ in range(30_000):
    used.append(Ring())
print(Ring.most - len(used))
"""
"""Things that refer to themselves and live for a while, as connections do; prints how many lay about dead at most."""


def lying_about(*arguments: str) -> int:
    command = [sys.executable, "-c", RINGS, *arguments]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def test_a_settled_process_lets_a_tenth_as_much_garbage_lie_about() -> None:
    assert lying_about("settle") < lying_about() / 10 < 3_000


def test_what_was_loaded_is_not_searched_again() -> None:
    code = (
        "import gc, bramble.serve\n"
        "from bramble import garbage\n"
        "garbage.settle()\n"
        "print(len(gc.get_objects()), gc.get_freeze_count())"
    )
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    searched, frozen = map(int, ran.stdout.split())
    assert searched < 1000 < 40_000 < frozen
