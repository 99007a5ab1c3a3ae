"""What the next engine may take: the memory of this moment, and less after the kernel ended one."""

from pathlib import Path

import pytest

from bramble.budget import LESS, Budget
from bramble.config import load
from bramble.engine.wire import Load
from tests.board.boards import copy, put

GROUP = "sys/fs/cgroup/system.slice/bramble.service"
ORDER = Load("model.gguf", 1024, 2, 0, 256, 250)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = copy("pi4b", tmp_path)
    put(root, f"{GROUP}/memory.stat", "inactive_file 0\n")
    put(root, f"{GROUP}/memory.current", "400000000\n")
    put(root, f"{GROUP}/memory.events", "oom 0\noom_kill 0\n")
    return root


def budget(root: Path, *settings: str) -> Budget:
    return Budget(load(None, settings).guard, processes=tuple[int, ...], root=root)


def test_an_engine_may_take_what_leaves_the_guards_calm(root: Path) -> None:
    """1.4 GB is the group's high mark, a twentieth is nobody's, and below another twentieth it is tight."""
    memory = budget(root).order(ORDER).memory
    assert memory == pytest.approx(1_000_000_000 - 2 * 70_000_000, rel=0.01)
    put(root, f"{GROUP}/memory.current", "1400000000\n")
    assert budget(root).order(ORDER).memory == 1, "nothing, but not 0, which is everything"


def test_a_limit_that_is_set_bounds_it(root: Path) -> None:
    assert (
        budget(root, "guard.memory.limit=300").order(ORDER).memory <= 300_000_000 - 2 * 16_000_000
    )


def test_after_a_kill_for_memory_the_next_one_takes_less(root: Path) -> None:
    subject = budget(root)
    subject.held = 500_000_000
    subject.ended()
    assert subject.killed() == "", "somebody else killed it"
    put(root, f"{GROUP}/memory.events", "oom 3\noom_kill 1\n")
    assert "memory ran out" in subject.killed()
    assert subject.order(ORDER).memory == int(500_000_000 * LESS)
    assert subject.killed() == "", "a kill counts once"
    subject.relax()
    assert subject.order(ORDER).memory > 500_000_000
