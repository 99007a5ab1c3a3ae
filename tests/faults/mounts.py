"""Small disks of memory, and how they become full."""

import errno
import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.fault import LeftOut

BLOCKS = (1 << 16, 1 << 12, 1)


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Generator[Path]:
    """A file system of its own in `folder`, unmounted in the end. Raises LeftOut where that is not allowed."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "bramble-faults", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode:
        raise LeftOut("it needs root, to mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path) -> None:
    """Leave no byte free."""
    with (disk / "ballast").open("ab", buffering=0) as ballast:
        for size in BLOCKS:
            try:
                while ballast.write(bytes(size)) == size:
                    pass
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise


def free(disk: Path) -> None:
    """Take away again what `fill` wrote."""
    (disk / "ballast").unlink(missing_ok=True)
