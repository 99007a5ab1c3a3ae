"""Files that are replaced whole or not at all, and read by whoever owns their folder. It knows no format."""

import fcntl
import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


def replace(file: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Give `file` this content: it is on the disk when this returns. Raises OSError.

    What root writes belongs to the folder's owner: a command that was run with sudo must not lock the daemon out.
    """
    folder = file.parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{file.name}-", dir=folder)
    new = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as out:
            os.fchmod(out.fileno(), mode)
            if os.geteuid() == 0:
                owner = folder.stat()
                os.fchown(out.fileno(), owner.st_uid, owner.st_gid)
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        new.replace(file)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    sync(folder)


def sync(folder: Path) -> None:
    """What was renamed or removed in it is on the disk when this returns."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def alone(folder: Path) -> Generator[None]:
    """Be the only process that changes files in `folder`; others wait. The folder is made where it is missing."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
