"""Keeps the daemon off the cores that decode, where the board has enough of them."""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

FEWEST_CORES = 3
"""With one or two cores there is none to keep to."""


def own_cores(cores: Sequence[int], decode: int) -> list[int]:
    """The cores that are left to the daemon: those that no decoding thread is pinned to, else all."""
    free = sorted(cores)[decode:]
    return free if free and len(cores) >= FEWEST_CORES else sorted(cores)


def keep_to(cores: Sequence[int]) -> None:
    """Run every thread of this process on these cores; where that is not allowed, everything stays as it is."""
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # not allowed, or the thread has ended
            os.sched_setaffinity(int(task.name), cores)
