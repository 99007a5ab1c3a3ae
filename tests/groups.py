"""Control groups with a memory limit, made by a test where it may; else the test is skipped and says why."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bramble.board import cgroup
from bramble.board.files import amounts


class Group:
    """A group below this process's own. `enter` is a command that runs the one behind it inside."""

    def __init__(self, folder: Path, version: int) -> None:
        self.folder, self._version = folder, version
        self.enter = ("sh", "-c", f'echo $$ > {folder}/cgroup.procs && exec "$@"', "sh")

    @property
    def limit(self) -> int:
        """Bytes that it may hold."""
        names = {2: "memory.max", 1: "memory.limit_in_bytes"}
        return int((self.folder / names[self._version]).read_text())

    @property
    def free(self) -> int:
        """Bytes that may still be taken; file pages that would be dropped first are free."""
        usage, cache = ("current", "") if self._version == 2 else ("usage_in_bytes", "total_")
        held = int((self.folder / f"memory.{usage}").read_text())
        droppable = amounts(self.folder / "memory.stat")[f"{cache}inactive_file"]
        return self.limit - held + droppable

    @property
    def killed(self) -> int:
        """Processes in it that the kernel ended because memory ran out."""
        file = "memory.events" if self._version == 2 else "memory.oom_control"
        return amounts(self.folder / file).get("oom_kill", 0)

    @property
    def peak(self) -> int:
        """The most bytes that it held."""
        file = "memory.peak" if self._version == 2 else "memory.max_usage_in_bytes"
        return int((self.folder / file).read_text())


@contextmanager
def limited(megabytes: int) -> Generator[Group]:
    """A group of so many megabytes (10^6 bytes) without swap; everything in it has ended when it is left."""
    chain = cgroup.own_chain()
    if not chain:
        pytest.skip("this kernel has no memory control groups")
    own, version = chain[0]
    folder = own / f"bramble-test-{os.getpid()}"
    bound = str(megabytes * 1_000_000)
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error.strerror}")
    try:
        try:
            (folder / ("memory.max" if version == 2 else "memory.limit_in_bytes")).write_text(bound)
        except OSError as error:
            pytest.skip(f"this control group takes no limit: {error.strerror}")
        if version == 2:
            (folder / "memory.swap.max").write_text("0")
        yield Group(folder, version)
    finally:
        remove(folder)


def remove(folder: Path) -> None:
    """A group and those below it; nothing may run in them any more."""
    for below in folder.iterdir():
        if below.is_dir():
            remove(below)
    folder.rmdir()


def unified() -> Path:
    """This process's group in the hierarchy of version 2, whatever that can limit here; else the test is skipped."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if " - cgroup2 " in line:
            own = Path("/proc/self/cgroup").read_text().rpartition("0::/")[2].splitlines()[0]
            return Path(line.split()[4]) / own
    pytest.skip("NO VERSION 2 GROUP WAS TESTED: no such hierarchy is mounted")
