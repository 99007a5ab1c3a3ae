"""What is on disk: where a model's file belongs, whether it is there and whole, and what `engine.model` stands for."""

import hashlib
from collections.abc import Collection
from pathlib import Path

from bramble.errors import BadRequest, ModelUnavailable, NotFound
from bramble.models.catalogue import Model, catalogue, find
from bramble.models.part import Part
from bramble.models.transfer import MAGIC
from bramble.models.tuned import find_tuned, tuned_file


def location(model: Model, models_dir: Path) -> Path:
    """Where a catalogue model's file is, or would be."""
    return models_dir / model.file


def is_present(model: Model, models_dir: Path) -> bool:
    """Whether the file is there in its full length: cheap, so good enough for every start."""
    file = location(model, models_dir)
    return file.is_file() and file.stat().st_size == model.size


def is_intact(model: Model, models_dir: Path) -> bool:
    """Whether the file is there with the right content. Reads all of it: an SD card that rots changes no date."""
    if not is_present(model, models_dir):
        return False
    with location(model, models_dir).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == model.sha256


def verify(name_or_path: str, models_dir: Path) -> None:
    """Read all of the file and compare what is known of it. Raises NotFound, ModelUnavailable where it is damaged.

    Of a path nothing is known but how a GGUF file begins: whether it is usable the engine says.
    """
    file = resolve(name_or_path, models_dir)
    known, tuned = catalogue(models_dir).get(name_or_path), find_tuned(name_or_path, models_dir)
    wanted = known.sha256 if known else tuned.sha256 if tuned else ""
    try:
        with file.open("rb") as data:
            whole = data.read(len(MAGIC)) == MAGIC
            data.seek(0)
            if wanted and hashlib.file_digest(data, "sha256").hexdigest() != wanted:
                whole = False
    except OSError as error:
        raise ModelUnavailable(f"{file} cannot be read: {error.strerror or error}.") from error
    if not whole:
        raise ModelUnavailable(
            f"{file.name} is damaged: it is not what was fetched.", "Delete it and fetch it again."
        )


def resolve(name_or_path: str, models_dir: Path) -> Path:
    """The file that `engine.model` stands for: a catalogue name, the name of a tuned model, else a path.

    Raises NotFound with what to do about it.
    """
    if name_or_path in catalogue(models_dir):
        return _known(name_or_path, models_dir)
    if tuned := find_tuned(name_or_path, models_dir):
        return tuned_file(tuned, models_dir)
    path = Path(name_or_path).expanduser()
    if path.is_file():
        return path.resolve()
    if path.is_dir():
        raise NotFound(f"{path} is a folder, not a model.", "Name the GGUF file in it.")
    if "/" in name_or_path or path.suffix == ".gguf":
        raise NotFound(
            f"There is no file {path}.",
            "Set engine.model to a GGUF file, or see `bramble models list`.",
        )
    return location(find(name_or_path, models_dir), models_dir)


def _known(name: str, models_dir: Path) -> Path:
    model = find(name, models_dir)
    if not is_present(model, models_dir):
        file = location(model, models_dir)
        what = "is incomplete on disk" if file.exists() else "is not on disk yet"
        raise NotFound(f"The model {name} {what} ({file}).", f"Run `bramble models fetch {name}`.")
    return location(model, models_dir)


def remove_model(name: str, models_dir: Path, in_use: Collection[str]) -> int:
    """Delete a model's file and what is here of an unfinished one; return how many bytes were freed.

    Raises NotFound where there is nothing, BadRequest where it is one of those `in_use`.
    """
    model = find(name, models_dir)
    if name in in_use:
        raise BadRequest(f"{name} is the model that answers.", "Use another one first.")
    file = location(model, models_dir)
    gone = [each for each in (file, *Part.files(file)) if each.is_file()]
    if not gone:
        raise NotFound(f"The model {name} is not on the disk.", "See `bramble models list`.")
    freed = sum(each.stat().st_size for each in gone)
    for each in gone:
        each.unlink()
    return freed
