"""How often the kernel has ended a process because memory ran out: in Bramble's control group, else anywhere."""

from pathlib import Path

from bramble.board.cgroup import own_chain
from bramble.board.files import MACHINE, amounts


def kills(root: Path = MACHINE) -> int:
    """A count that grows with each; 0 for ever where the kernel tells nobody."""
    for folder, version in own_chain(root)[:1]:
        # Version 2 counts those of all groups below, too. Either counts a process where it is, whoever's limit it was.
        told = amounts(folder / ("memory.events" if version == 2 else "memory.oom_control"))
        if "oom_kill" in told:
            return told["oom_kill"]
    return amounts(root / "proc/vmstat").get("oom_kill", 0)
