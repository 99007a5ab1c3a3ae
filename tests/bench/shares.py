"""A share of a core for a process tree, so that several boards can be played on one machine."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psutil

from tests.bench.measure import Missing

PERIOD = 20_000
"""Microseconds after which a group gets its share anew: short, so a step is slowed and not stopped now and then."""
SHARE = 0.3
"""Of a core. Engines of one thread are all pinned to the same one: three of them fit; whoever asks has the other."""

_numbers = count()


@contextmanager
def share(pid: int, part: float = SHARE) -> Generator[None]:
    """This process and its children may use so much of a core, until it ends. Raises Missing.

    The kernel's CPU bandwidth control (cpu.cfs_quota_us, version 1 control groups).
    """
    folder = _own() / f"bramble-bench-{os.getpid()}-{next(_numbers)}"
    try:
        folder.mkdir()
        (folder / "cpu.cfs_period_us").write_text(str(PERIOD))
        (folder / "cpu.cfs_quota_us").write_text(str(round(PERIOD * part)))
        root = psutil.Process(pid)
        for each in (root, *root.children(recursive=True)):
            (folder / "cgroup.procs").write_text(str(each.pid))
    except OSError as error:
        raise Missing(f"no share of a core can be given here: {error}") from error
    try:
        yield
    finally:
        for left in (folder / "cgroup.procs").read_text().split():
            (folder.parent / "cgroup.procs").write_text(left)
        folder.rmdir()


def _own() -> Path:
    """The group of this process that bounds processor time. Raises Missing."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "cpu" in controllers.split(","):
            return Path("/sys/fs/cgroup", controllers, path.lstrip("/"))
    raise Missing("this kernel has no version 1 control groups for processors")
