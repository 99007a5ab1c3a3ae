"""One tuning run: makes the candidates, measures what they lose and gain, keeps the best beside a record of it all.

Everything happens in a scratch folder; the result gets its name by a rename when it is on the disk, and the source is
never touched.
"""

import hashlib
import os
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

import msgspec
import psutil

from bramble.config import Config
from bramble.engine import tasks
from bramble.models.tuned import Row, Tuned, record_path
from bramble.tuning import child
from bramble.tuning.child import CannotTune
from bramble.tuning.choice import QUANTIZATIONS, already_fast, choose, summary
from bramble.tuning.machine import build, machine
from bramble.tuning.scratch import require_space
from bramble.tuning.speed import Speed, speeds

TEXTS = ("en.txt", "zh.txt")
SOURCE = "source"
ROUNDS = 3
BESIDES_WEIGHTS = 300_000_000
"""Bytes of memory that measuring a model takes besides its weights: vocabulary, logits, buffers."""

Say = Callable[[str, float], None]
"""Told what is being done and how far that is, 0..1."""

Answer = TypeVar("Answer", bound=tasks.Outcome)


class Wish(msgspec.Struct, frozen=True):
    """What was asked for: `model` is a name or a file, `beside` are files to compare with, `again` measures anew."""

    model: str
    loss_limit: float
    beside: tuple[Path, ...] = ()
    again: bool = False


class Work:
    """One run, from the look at the source to the record."""

    def __init__(
        self,
        wish: Wish,
        config: Config,
        source: Path,
        name: str,
        sha256: str,
        folder: Path,
        say: Say,
    ) -> None:
        self._wish, self._config, self._source = wish, config, source
        self._name, self._sha256, self._folder, self._say = name, sha256, folder, say
        texts = files("bramble.tuning").joinpath("texts")
        self._texts = tuple(str(texts.joinpath(each)) for each in TEXTS)
        self._logits = folder / "logits"

    def run(self) -> Tuned:
        """Raises CannotTune, ModelUnavailable, survey.Damaged, OSError."""
        look = tasks.Inspect(str(self._source), QUANTIZATIONS)
        inspected = self._ask(f"looking at {self._source.name}", look, tasks.Inspected)
        self._check(inspected)
        candidates = {each: self._folder / f"{each}.gguf" for each in QUANTIZATIONS}
        dropped = [self._make(each, path, inspected.drop) for each, path in candidates.items()]
        others = {SOURCE: self._source, **{path.name: path for path in self._wish.beside}}
        record = tasks.Record(str(self._source), self._texts, str(self._logits))
        positions = self._ask("asking the source", record, tasks.Recorded).positions
        paths = {**others, **candidates}
        losses = {name: self._loss(name, path) for name, path in paths.items()}
        self._logits.unlink()
        rows = self._rows(paths, losses)
        chosen = choose(rows, self._wish.loss_limit)
        tuned = Tuned(
            name=self._name,
            source=str(self._source),
            source_sha256=self._sha256,
            loss_limit=self._wish.loss_limit,
            build=build(),
            machine=machine(),
            rows=tuple(rows),
            positions=positions,
            chosen=chosen.name if chosen else "",
            file="",
            file_bytes=0,
            sha256="",
            head_dropped=all(dropped),
            summary=summary(rows, chosen, self._wish.loss_limit),
        )
        return self._keep(tuned, candidates[chosen.name]) if chosen else tuned

    def _ask(self, what: str, order: tasks.Order, expected: type[Answer]) -> Answer:
        self._say(what, 0.0)
        outcome = child.run(order, lambda fraction: self._say(what, fraction))
        if not isinstance(outcome, expected):
            raise TypeError(f"{outcome} is no answer to {order}")
        return outcome

    def _check(self, inspected: tasks.Inspected) -> None:
        """Refuse what cannot gain anything, and what this machine has no room for."""
        if already_fast(inspected):
            raise CannotTune(f"{self._source.name} is as small and fast as tuning could make it.")
        weights = sum(inspected.bytes_by_type.values())
        header = self._source.stat().st_size - weights
        made = [size + header for size in inspected.sizes.values()]
        logits = len(TEXTS) * tasks.TEXT_TOKENS * tasks.row_bytes(inspected.vocabulary)
        # At the worst moment the last candidate is there with and without what is dropped, or the logits are.
        require_space(self._folder, sum(made) + max(max(made) + inspected.dropped, logits))
        needed, free = weights + BESIDES_WEIGHTS, psutil.virtual_memory().available
        if free < needed:
            raise CannotTune(
                f"Tuning {self._source.name} takes {needed / 1e6:,.0f} MB of memory and {free / 1e6:,.0f} MB are free.",
                "Stop other programs, or tune it on a PC and copy the file.",
            )

    def _make(self, quantization: str, path: Path, drop: str) -> bool:
        """Make one candidate; whether it holds the embedding once instead of twice."""
        order = tasks.Quantize(
            str(self._source), str(path), str(self._folder / "converting"), quantization, drop
        )
        return self._ask(f"making {quantization}", order, tasks.Quantized).dropped

    def _loss(self, name: str, path: Path) -> tasks.Compared:
        if name == SOURCE:
            return tasks.Compared(mean_kl=0.0, same_top=1.0)
        order = tasks.Compare(str(path), self._texts, str(self._logits))
        return self._ask(f"comparing {name}", order, tasks.Compared)

    def _rows(self, paths: dict[str, Path], losses: dict[str, tasks.Compared]) -> list[Row]:
        what = f"measuring speed, {ROUNDS} rounds"
        self._say(what, 0.0)
        measured = speeds(
            paths, ROUNDS, self._config.engine, lambda fraction: self._say(what, fraction)
        )
        return [_row(name, path, losses[name], measured[name]) for name, path in paths.items()]

    def _keep(self, tuned: Tuned, made: Path) -> Tuned:
        """Give the result its name, and remember it."""
        with made.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        tuned = msgspec.structs.replace(
            tuned, file=f"{self._name}.gguf", file_bytes=made.stat().st_size, sha256=sha256
        )
        folder = self._config.models_dir
        record, scratch = record_path(self._name, folder), self._folder / "record"
        with scratch.open("wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(tuned), indent=2))
            file.flush()
            os.fsync(file.fileno())
        record.unlink(missing_ok=True)  # an old record must never stand beside a new file
        made.replace(folder / tuned.file)
        scratch.replace(record)
        _sync(folder)
        return tuned


def _row(name: str, path: Path, loss: tasks.Compared, speed: Speed) -> Row:
    kind = SOURCE if name == SOURCE else "candidate" if name in QUANTIZATIONS else "beside"
    return Row(
        kind=kind,
        name=name,
        file_bytes=path.stat().st_size,
        mean_kl=round(loss.mean_kl, 5),
        same_top=round(loss.same_top, 4),
        tokens_per_second=speed.tokens_per_second,
        threads=speed.threads,
        peak_memory_bytes=speed.peak_memory_bytes,
    )


def _sync(folder: Path) -> None:
    """The renames are as safe as the bytes only after this."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
