"""Tunes a model and takes it back: which file it is, whether the answer is known already, whom to ask for it."""

import hashlib
from pathlib import Path

from bramble.config import Config
from bramble.errors import NotFound
from bramble.models.library import resolve
from bramble.models.tuned import (
    SUFFIX,
    Tuned,
    find_tuned,
    is_whole,
    record_path,
    tuned_name,
)
from bramble.tuning.child import CannotTune
from bramble.tuning.machine import build, machine
from bramble.tuning.scratch import scratch
from bramble.tuning.work import Say, Wish, Work


def tune(wish: Wish, config: Config, say: Say) -> tuple[Tuned, bool]:
    """The best file of `wish.model` for this machine, and whether that was known already.

    Raises NotFound, CannotTune, ModelUnavailable, survey.Damaged; nothing has changed then.
    """
    source = resolve(wish.model, config.models_dir)
    name = tuned_name(wish.model)
    if wish.model.endswith(SUFFIX) or find_tuned(source.stem, source.parent):
        raise CannotTune(f"{source.name} is tuned already.", "Tune what it was made from.")
    for each in wish.beside:
        if not each.is_file():
            raise NotFound(f"There is no file {each} to compare with.")
    say(f"reading {source.name}", 0.0)
    sha256 = _hash(source)
    known = find_tuned(name, config.models_dir)
    if known and not wish.again and _still_holds(known, sha256, wish, config.models_dir):
        return known, True
    with scratch(config.models_dir) as folder:
        try:
            return Work(wish, config, source, name, sha256, folder, say).run(), False
        except OSError as error:
            raise CannotTune(
                f"Tuning {source.name} failed: {error.strerror or error}.",
                "Free some space, or set models_dir to a folder that Bramble may write.",
            ) from error


def _hash(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CannotTune(f"{path} cannot be read: {error.strerror or error}.") from error


def _still_holds(known: Tuned, sha256: str, wish: Wish, models_dir: Path) -> bool:
    """Whether another run would find the same: same source, limit, machine and llama.cpp."""
    same = (known.source_sha256, known.loss_limit, known.build, known.machine)
    return (
        same == (sha256, wish.loss_limit, build(), machine())
        and is_whole(known, models_dir)
        and not wish.beside
    )


def undo(name_or_path: str, models_dir: Path) -> Tuned:
    """Remove the tuned version of a model; returns its record. Raises NotFound, CannotTune."""
    name = name_or_path if name_or_path.endswith(SUFFIX) else tuned_name(name_or_path)
    record = find_tuned(name, models_dir)
    if record is None:
        raise NotFound(f"There is no tuned model {name}.", "See `bramble models list`.")
    if not Path(record.source).is_file():
        raise CannotTune(
            f"{name} stays: what it was made from, {record.source}, is gone.",
            f"Delete {models_dir / record.file} and its .json yourself if you mean it.",
        )
    record_path(name, models_dir).unlink()
    (models_dir / record.file).unlink(missing_ok=True)
    return record
