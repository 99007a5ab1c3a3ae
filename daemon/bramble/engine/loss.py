"""Measures what a smaller file has lost: how far its next-token distributions are from the source's.

Mean Kullback-Leibler divergence over every position of some texts, all of the vocabulary, as llama.cpp's
`llama-perplexity --kl-divergence` does. The source's logits wait in a file at 2 bytes each: rounding them to f16 adds
some 1e-6 nats, where quantizing adds 1e-2.
"""

import ctypes
import struct
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, BinaryIO

from bramble.engine.context import Context
from bramble.engine.ggml import F16, F32, Sums
from bramble.engine.gguf import read_at
from bramble.engine.llama import C, LoadError, Model
from bramble.engine.quantize import CannotQuantize
from bramble.engine.tasks import TEXT_TOKENS, Compare, Compared, Record, Recorded, row_bytes
from bramble.engine.threads import cores, pin

ROWS = 64
"""Rows computed at a time: their logits are held in memory, 39 MB for a vocabulary of 150,000."""

SKIPPED = 8
"""First positions of a text that do not count: hardly anything can be foretold there."""

Row = tuple[int, Any]
"""The position's number over all texts, and a pointer to its logits (float32), good until the next one."""


def record(order: Record, progress: Callable[[float], None]) -> Recorded:
    """Keep the source's logits in `order.logits`, a row for each position. Raises CannotQuantize."""
    model, context = _open(Path(order.model))
    rounding = _Rounding(model.vocab_size)
    positions = 0
    try:
        with Path(order.logits).open("wb") as file:
            for _, logits in _rows(model, context, order.texts, progress):
                file.write(rounding.row(logits))
                positions += 1
    finally:
        rounding.close()
    return Recorded(positions)


def compare(order: Compare, progress: Callable[[float], None]) -> Compared:
    """Hold `order.model` against what `record` kept. Raises CannotQuantize."""
    model, context = _open(Path(order.model))
    distance = _Distance(model.vocab_size)
    total, same, positions = 0.0, 0, 0
    try:
        with Path(order.logits).open("rb") as file:
            for number, logits in _rows(model, context, order.texts, progress):
                divergence, agrees = distance.of(_kept(file, number, model.vocab_size), logits)
                total += divergence
                same += agrees
                positions += 1
    finally:
        distance.close()
    return Compared(mean_kl=total / positions, same_top=same / positions)


def _kept(file: BinaryIO, number: int, vocabulary: int) -> bytes:
    size = row_bytes(vocabulary)
    return read_at(file, number * size, size)


def _open(path: Path) -> tuple[Model, Context]:
    try:
        model = Model(path, mmap=False, progress=lambda _: None)
        causal = model.meta(f"{model.meta('general.architecture')}.attention.causal")
        if causal == "false" or not model.has_decoder():
            raise CannotQuantize(f"{path.name} is an embedding model: it foretells no words.")
        context = Context(
            model, size=TEXT_TOKENS, slots=1, batch=ROWS, threads=len(cores()), guess_rows=ROWS - 1
        )
    except LoadError as error:
        raise CannotQuantize(f"{path.name} cannot be used: {error}.") from error
    pin(context, decode=len(cores()), prefill=len(cores()), on=cores())
    return model, context


def _rows(
    model: Model, context: Context, texts: tuple[str, ...], progress: Callable[[float], None]
) -> Generator[Row]:
    """Logits at every position that counts, text after text; each text begins with an empty cache."""
    tokens = [
        model.tokenize(Path(each).read_text(encoding="utf-8"))[:TEXT_TOKENS] for each in texts
    ]
    total, done, number = sum(map(len, tokens)), 0, 0
    for text in tokens:
        context.forget(0)
        for start in range(0, len(text), ROWS):
            part = text[start : start + ROWS]
            context.clear_rows()
            context.add_rows(0, part, start, outputs=len(part))
            if not context.decode():
                raise CannotQuantize("The texts do not fit the context.")
            for row in range(max(0, SKIPPED - start), len(part)):
                yield number, C.llama_get_logits_ith(context.handle, row)
                number += 1
            done += len(part)
            progress(done / total)


class _Rounding:
    """Makes the row to keep of a row of logits."""

    def __init__(self, vocabulary: int) -> None:
        self._halves = (ctypes.c_uint16 * vocabulary)()
        self._size = vocabulary
        self._sums = Sums(self._build)

    def _build(self, sums: Sums) -> tuple[int, ...]:
        self._logits = sums.vector(F32, self._size)
        self._rounded = sums.cast(self._logits, F16)
        self._top = sums.apply("argmax", self._logits)
        return self._rounded, self._top

    def row(self, logits: Any) -> bytes:
        """Its bytes, as `tasks.row_bytes` says."""
        self._sums.fill(self._logits, logits)
        self._sums.run()
        self._sums.read(self._rounded, self._halves)
        return bytes(self._halves) + struct.pack("=i", self._sums.index(self._top))

    def close(self) -> None:
        self._sums.close()


class _Distance:
    """KL(P‖Q) = H(P, Q) - H(P) in nats, with P and Q the softmax of two rows of logits."""

    def __init__(self, vocabulary: int) -> None:
        self._size = vocabulary
        self._sums = Sums(self._build)

    def _build(self, sums: Sums) -> tuple[int, ...]:
        self._kept, self._new = sums.vector(F16, self._size), sums.vector(F32, self._size)
        kept = sums.cast(self._kept, F32)
        likely = sums.apply("soft_max", kept)
        self._cross = sums.apply("cross_entropy_loss", self._new, likely)
        self._own = sums.apply("cross_entropy_loss", kept, likely)
        self._top = sums.apply("argmax", self._new)
        return self._cross, self._own, self._top

    def of(self, kept: bytes, new: Any) -> tuple[float, bool]:
        """The divergence at one position, and whether both find the same token likeliest."""
        sums = self._sums
        sums.fill(self._kept, kept)
        sums.fill(self._new, new)
        sums.run()
        divergence = sums.number(self._cross) - sums.number(self._own)
        (top,) = struct.unpack_from("=i", kept, 2 * self._size)
        return max(0.0, divergence), top == sums.index(self._top)

    def close(self) -> None:
        self._sums.close()
