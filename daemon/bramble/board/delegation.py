"""Divides a control group that systemd handed over (`Delegate=`): the daemon into one half, engines into the other.

The kernel and systemd-oomd then weigh and end engines by themselves. A group that nobody handed over stays as it is.
"""

import logging
import os
from pathlib import Path

from bramble.board.cgroup import DAEMON, own_chain
from bramble.board.files import text

log = logging.getLogger("bramble.board")

ENGINES = "bramble-engines"
CONTROLLERS = ("memory",)
"""What the halves are counted by. Not `cpu`: two equal groups would make `engine.nice` say nothing."""
KEPT = 64 << 20
"""Bytes of the daemon that the kernel takes last when the group is full: all that it usually has."""


def divide() -> Path | None:
    """Move this process into a group of its own and return the one for engines; None where the group is not ours."""
    for group, version in own_chain()[:1]:
        if version == 2 and is_delegated(group):
            return _tried(group)
    return None


def is_delegated(group: Path) -> bool:
    """Whether systemd says that we may divide it (https://systemd.io/CGROUP_DELEGATION)."""
    try:
        return os.getxattr(group, "user.delegate") == b"1"
    except OSError:
        return False


def _tried(group: Path) -> Path | None:
    try:
        return halves(group)
    except OSError as error:
        log.warning("the control group %s cannot be divided: %s", group, error)
        return None


def halves(group: Path, controllers: tuple[str, ...] = CONTROLLERS) -> Path:
    """Make both, move this process into the daemon's, return the engines'. Raises OSError.

    A group that counts for its parts may hold no process itself: first everybody leaves, then the parts are counted.
    """
    daemon, engines = group / DAEMON, group / ENGINES
    for part in (daemon, engines):
        part.mkdir(exist_ok=True)
    place(os.getpid(), daemon)
    there = (text(group / "cgroup.controllers") or "").split()
    for controller in controllers:
        if controller in there:
            (group / "cgroup.subtree_control").write_text(f"+{controller}")
    if (low := daemon / "memory.low").exists():
        low.write_text(str(KEPT))
    return engines


def place(process: int, group: Path) -> None:
    """Move a process with all its threads; what it holds already stays on the old account. Raises OSError."""
    (group / "cgroup.procs").write_text(str(process))
