"""Pages of zeros are given back, and nothing else is."""

import mmap
import time
from collections.abc import Callable
from pathlib import Path

from bramble.engine import memory
from bramble.engine.zeros import zeros_given_back
from tests.engine.rig import Ask, Rig

SIZE = 64 * 1024 * 1024
SPARE = 8 * 1024 * 1024
"""What else this process may take meanwhile, in bytes."""


def new_memory() -> mmap.mmap:
    """Private anonymous memory, every page of it written once: with zeros."""
    new = mmap.mmap(-1, SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    new[:] = bytes(SIZE)
    return new


def test_zeros_cost_nothing_and_what_was_written_stays() -> None:
    with zeros_given_back():
        new = new_memory()
        new[3_000_000] = 7
        new[SIZE - 1] = 9
        full = memory.resident()
    assert full - memory.resident() > SIZE - SPARE
    assert (new[3_000_000], new[SIZE - 1]) == (7, 9)
    assert new[:] == bytes(3_000_000) + b"\7" + bytes(SIZE - 3_000_002) + b"\11"


def test_what_was_there_before_is_left_alone() -> None:
    old = new_memory()
    full = memory.resident()
    with zeros_given_back():
        pass
    assert full - memory.resident() < SPARE
    old.close()


def test_a_cache_is_not_resident_while_it_is_cleared() -> None:
    """The sweeper finds it by its size and empties it again and again; what is larger is left alone."""
    with zeros_given_back(SIZE):
        new = mmap.mmap(-1, SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        empty = memory.resident()
        for _ in range(3):
            new[:] = bytes(SIZE)
            until(lambda: memory.resident() - empty < SPARE)
    assert new[:] == bytes(SIZE)
    with zeros_given_back(SIZE // 2):
        other = new_memory()
        full = memory.resident()
        time.sleep(0.05)
        assert full - memory.resident() < SPARE
        other[:] = b"\1" * SIZE
    assert other[:] == b"\1" * SIZE


def test_a_small_cache_is_not_looked_for() -> None:
    """A thread's stack, the sweeper's own too, is 8 MB: taking it for the cache killed the process."""
    stack = 8 * 1024 * 1024 - 4096
    for size in (stack - 4096, stack, stack + 4096):
        with zeros_given_back(size):
            other = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            other[:] = b"\1" * size
            time.sleep(0.05)
        assert other[:] == b"\1" * size


def until(fits: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not fits():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_a_context_that_nobody_filled_takes_little_memory(starter: Path) -> None:
    """The cache of 8192 tokens of this model is 8192 x 30 layers x 2 x 192 values of 2 bytes: 189 MB."""
    rig = Rig(starter, context=8192)
    try:
        status = Path(f"/proc/{rig.process.pid}/status").read_text()
        sizes = {
            line.split(":")[0]: line.split()[1] for line in status.splitlines() if "kB" in line
        }
        assert int(sizes["VmRSS"]) < 250_000, "90 MB of it are weights"
        ask = Ask("Say hello.", tokens=8)
        assert rig.answer(ask).text == rig.answer(ask).text != ""
    finally:
        rig.close()
