"""Weights that are read into memory lie in huge pages, as far as the kernel has them."""

import gc
from pathlib import Path

import pytest

from bramble.engine.hugepages import LEAST
from bramble.engine.llama import Model

SETTING = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def asked_for() -> int:
    """Bytes of this process's memory for which huge pages were asked."""
    size = found = 0
    for line in Path("/proc/self/smaps").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name == "Size":
            size = int(rest.split()[0]) * 1024
        elif name == "VmFlags" and "hg" in rest.split():
            found += size
    return found


@pytest.mark.skipif(not SETTING.exists(), reason="THIS KERNEL HAS NO HUGE PAGES")
def test_weights_in_memory_are_in_huge_pages_and_nothing_else_is(starter: Path) -> None:
    gc.collect()
    before = asked_for()
    told: list[float] = []
    mapped = Model(starter, mmap=True, repack=False, progress=told.append)
    assert asked_for() == before
    held = Model(starter, mmap=False, repack=False, progress=told.append)
    assert held.size <= asked_for() - before < held.size + LEAST
    assert told.count(0.0) == 2 and told[-1] == 1.0, "progress is told as ever"
    held.close()
    mapped.close()
    assert asked_for() == before
