"""Processor time by control groups: a share of a core, so that one machine plays several boards, or a weight."""

import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psutil

from tests.bench.measure import Missing

PERIOD = 20_000
"""Microseconds after which a group gets its share anew: short, so a step is slowed and not stopped now and then."""
SHARE = 0.3
"""Of a core. Engines of one thread are all pinned to the same one: three of them fit; whoever asks has the other."""

DEFAULT_WEIGHT, SHARES = 100, 1024
"""What a group weighs that says nothing, as systemd says it and as cpu.shares does."""

_numbers = count()


@contextmanager
def share(pid: int, part: float = SHARE) -> Generator[None]:
    """This process and its children may use so much of a core, until it ends. Raises Missing.

    The kernel's CPU bandwidth control (cpu.cfs_quota_us, version 1 control groups).
    """
    period, quota = ("cpu.cfs_period_us", PERIOD), ("cpu.cfs_quota_us", round(PERIOD * part))
    with _group([pid], period, quota):
        yield


@contextmanager
def weight(pids: Sequence[int], value: int) -> Generator[None]:
    """These processes and their children are in a group that weighs so much, as `CPUWeight=` says it. Raises Missing.

    The kernel's cpu.shares (version 1 control groups); a group that says nothing weighs 100.
    """
    with _group(pids, ("cpu.shares", value * SHARES // DEFAULT_WEIGHT)):
        yield


@contextmanager
def _group(pids: Sequence[int], *settings: tuple[str, int]) -> Generator[None]:
    folder = _own() / f"bramble-bench-{os.getpid()}-{next(_numbers)}"
    try:
        folder.mkdir()
        for name, value in settings:
            (folder / name).write_text(str(value))
        for root in map(psutil.Process, pids):
            for each in (root, *root.children(recursive=True)):
                (folder / "cgroup.procs").write_text(str(each.pid))
    except OSError as error:
        raise Missing(f"processor time cannot be shared out here: {error}") from error
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
