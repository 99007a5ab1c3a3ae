"""The folder that tuning works in: for one at a time, empty at the start and the end, on the disk of the result."""

import fcntl
import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from bramble.tuning.child import CannotTune

NAME = ".tune"


@contextmanager
def scratch(models_dir: Path) -> Generator[Path]:
    """An empty folder in `models_dir`; what an interrupted run left behind goes first.

    Raises CannotTune where another run is at it, or the folder cannot be made.
    """
    folder = models_dir / NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise CannotTune(
            f"{models_dir} cannot be written: {error.strerror or error}.",
            "Set models_dir to a folder that Bramble may write.",
        ) from error
    try:
        _lock(handle)
        _empty(folder)
        try:
            yield folder
        finally:
            _empty(folder)  # the folder itself stays: removed, the next run would lock another one
    finally:
        os.close(handle)


def _lock(folder: int) -> None:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise CannotTune("Another model is being tuned here.", "Wait until that is done.") from None


def _empty(folder: Path) -> None:
    for leftover in folder.iterdir():
        if leftover.is_dir():
            shutil.rmtree(leftover)
        else:
            leftover.unlink()


def require_space(folder: Path, needed: int) -> None:
    """Raises CannotTune where fewer than `needed` bytes are free."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise CannotTune(
            f"Tuning this model takes {needed / 1e6:,.0f} MB of disk meanwhile and {folder.parent} has"
            f" {free / 1e6:,.0f} MB left.",
            "Free some space there, or set models_dir to a folder on another disk.",
        )
