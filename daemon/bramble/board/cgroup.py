"""The memory control groups of this process, version 2 or 1, from its own up to the highest that can be seen."""

import os
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from bramble.board.files import MACHINE, amounts, number, text

DAEMON = "bramble-daemon"
"""What `delegation` calls the daemon's part of a group that it divided; all of Bramble is in the one above."""

_UNLIMITED = 1 << 60
"""Version 1 has no word for "no limit", only a number that no machine has memory for."""


class Group(Struct, frozen=True):
    """One group that has a limit. All in bytes; `used` leaves out file pages that would be dropped first."""

    path: str
    limit: int
    used: int


class _Mount(NamedTuple):
    """Where a hierarchy is mounted, and which of its groups is seen there as the root."""

    point: Path
    top: str
    version: int


def has_memory_controller(root: Path = MACHINE) -> bool:
    """Whether the kernel counts and limits memory by group at all."""
    mount = _memory_mount(root)
    return mount is not None


def limited_groups(root: Path = MACHINE) -> tuple[Group, ...]:
    """Every group above this process (and its own) that limits memory, the nearest first."""
    chain = own_chain(root)
    return tuple(group for folder, version in chain if (group := _read(folder, version)))


@lru_cache(
    maxsize=16
)  # a process is put into its group before it runs; `delegation` changes nothing here
def own_chain(root: Path = MACHINE) -> tuple[tuple[Path, int], ...]:
    """The folders of the groups that all of Bramble is in, the nearest first, each with its hierarchy's version."""
    mount = _memory_mount(root)
    if mount is None:
        return ()
    inside = _below(_own_path(root, mount.version), mount.top)
    folder = mount.point / inside
    if folder.name == DAEMON:
        folder = folder.parent
    folders = [folder, *folder.parents]
    depth = len(folder.relative_to(mount.point).parts)
    return tuple((each, mount.version) for each in folders[: depth + 1])


def _memory_mount(root: Path) -> _Mount | None:
    """The hierarchy that has the memory controller: version 2 where it does, else version 1."""
    for line in (text(root / "proc/self/mountinfo") or "").splitlines():
        mount, _, filesystem = line.partition(" - ")
        top, point = mount.split()[3:5]
        kind, _, options = filesystem.split(" ", 2)
        folder = root / point.lstrip("/")
        if kind == "cgroup" and "memory" in options.split(","):
            return _Mount(folder, top, 1)
        if kind == "cgroup2" and "memory" in (text(folder / "cgroup.controllers") or "").split():
            return _Mount(folder, top, 2)
    return None


def _own_path(root: Path, version: int) -> str:
    """This process's line in /proc/self/cgroup: `0::/path` in version 2, `4:memory:/path` in version 1."""
    for line in (text(root / "proc/self/cgroup") or "").splitlines():
        number_, controllers, path = line.split(":", 2)
        if (version == 2 and number_ == "0") or (
            version == 1 and "memory" in controllers.split(",")
        ):
            return path
    return "/"


def _below(path: str, top: str) -> str:
    """`path` as seen from a mount whose root is `top`; a path outside of it is seen as that root."""
    relative = os.path.relpath(path, top)
    return "" if relative.startswith("..") or relative == "." else relative


def _read(folder: Path, version: int) -> Group | None:
    # Weights that were read once and old log lines fill a group until somebody needs the room: not inactive file pages.
    if version == 2:
        names, usage, droppable = ("max", "high"), "current", "inactive_file"
    else:
        names, usage, droppable = ("limit_in_bytes",), "usage_in_bytes", "total_inactive_file"
    limits = [number(folder / f"memory.{name}") for name in names]
    real = [limit for limit in limits if limit is not None and limit < _UNLIMITED]
    used = number(folder / f"memory.{usage}") if real else None
    if used is None:
        return None
    stat = amounts(folder / "memory.stat")
    return Group(str(folder), min(real), max(0, used - stat.get(droppable, 0)))
