"""How often the kernel has ended a process because memory ran out: in this process's control group, else anywhere."""

from pathlib import Path

from bramble.board.cgroup import own_chain
from bramble.board.files import MACHINE, amounts


def kills(root: Path = MACHINE) -> int:
    """A count that grows with each; 0 for ever where the kernel tells nobody."""
    return max(_of_machine(root), *(_of_group(*group) for group in own_chain(root)), 0)


def _of_machine(root: Path) -> int:
    return amounts(root / "proc/vmstat").get("oom_kill", 0)


def _of_group(folder: Path, version: int) -> int:
    """Version 2 counts those of all groups below, too."""
    file = "memory.events" if version == 2 else "memory.oom_control"
    return amounts(folder / file).get("oom_kill", 0)
