"""Remembers which files were tuned here: a small JSON file beside each says from what, and what was measured."""

import re
from pathlib import Path

import msgspec

from bramble.errors import NotFound

SUFFIX = "-tuned"


class Row(msgspec.Struct, frozen=True):
    """One file that was measured: `kind` is source, candidate or beside (never chosen, only compared).

    `file_bytes` and `peak_memory_bytes` (of a process that decodes a few tokens) in bytes; `tokens_per_second` is the
    median of decoding with `threads`, the best count here; `mean_kl` in nats a token against the source and `same_top`,
    the share of positions with the same likeliest token, 0..1.
    """

    kind: str
    name: str
    file_bytes: int
    mean_kl: float
    same_top: float
    tokens_per_second: float
    threads: int
    peak_memory_bytes: int


class Tuned(msgspec.Struct, frozen=True):
    """What tuning one model came to. `chosen` is the name of a row, empty where the source stays the best choice.

    `file` is beside the record and has `sha256`; `positions` is how many were compared; `head_dropped` tells whether
    the embedding is held once instead of twice.
    """

    name: str
    source: str
    source_sha256: str
    loss_limit: float
    build: str
    machine: str
    rows: tuple[Row, ...]
    positions: int
    chosen: str
    file: str
    file_bytes: int
    sha256: str
    head_dropped: bool
    summary: str


def tuned_name(name_or_path: str) -> str:
    """What the tuned version of a catalogue model or of a file is called."""
    stem = re.sub(r"\.gguf$", "", Path(name_or_path).name)
    return re.sub(r"[^\w.-]+", "-", stem).lstrip(".-") + SUFFIX


def record_path(name: str, models_dir: Path) -> Path:
    """Where the record of a tuned model is, or would be."""
    return models_dir / f"{name}.json"


def find_tuned(name: str, models_dir: Path) -> Tuned | None:
    """The record of that name; None where there is none, or none that can be read."""
    if not name.endswith(SUFFIX) or "/" in name or "\0" in name:
        return None
    try:
        record = msgspec.json.decode(record_path(name, models_dir).read_bytes(), type=Tuned)
    except (OSError, msgspec.DecodeError):
        return None
    return record if record.name == name and Path(record.file).name == record.file else None


def all_tuned(models_dir: Path) -> list[Tuned]:
    """Every tuned model in the folder, by name."""
    names = sorted(file.stem for file in models_dir.glob(f"*{SUFFIX}.json"))
    return [record for name in names if (record := find_tuned(name, models_dir))]


def is_whole(record: Tuned, models_dir: Path) -> bool:
    """Whether its file is there in its full length."""
    file = models_dir / record.file
    return file.is_file() and file.stat().st_size == record.file_bytes


def tuned_file(record: Tuned, models_dir: Path) -> Path:
    """The file of a tuned model. Raises NotFound where it is not there in full."""
    if not is_whole(record, models_dir):
        raise NotFound(
            f"The tuned model {record.name} is incomplete on disk ({models_dir / record.file}).",
            f"Run `bramble models tune {record.source}` again.",
        )
    return models_dir / record.file
