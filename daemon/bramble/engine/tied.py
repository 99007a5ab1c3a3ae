"""Finds an embedding that a file holds twice: as `token_embd.weight`, and once more as `output.weight`.

llama.cpp uses the embedding as output head where a file has no head, so one of the two can go. Published files often
hold the same matrix in two types; then the coarser one goes and the finer one takes its place.
"""

import ctypes
from pathlib import Path

from bramble.engine.ggml import F32, LONG, Sums, function, type_number
from bramble.engine.gguf import Header, Tensor, read_at, same_bytes

EMBEDDING, HEAD = "token_embd.weight", "output.weight"

CHUNK = 1 << 20
"""Elements compared at a time, in whole rows."""

ROUNDED = 2.0
"""Squared distance of two versions of one matrix, in units of what rounding to the coarser type adds; about 1 to 1.5 if
they are one, thousands if they are not."""

_ROUNDABLE = frozenset("f16 bf16 q4_0 q4_1 q5_0 q5_1 q8_0 q2_K q3_K q4_K q5_K q6_K iq4_nl".split())
"""Types that ggml can round to without an importance matrix."""

_row_size = function("ggml_row_size", ctypes.c_size_t, ctypes.c_int, LONG)


def superfluous(header: Header) -> Tensor | None:
    """The tensor of embedding and head that can be left out, or None where they differ or only one is there."""
    embedding, head = header.find(EMBEDDING), header.find(HEAD)
    if embedding is None or head is None:
        return None
    if (embedding.columns, embedding.elements) != (head.columns, head.elements):
        return None
    if embedding.type == head.type:
        return head if same_bytes(header.path, embedding, head) else None
    coarse, fine = sorted((embedding, head), key=lambda each: each.size)
    return coarse if _is_rounded(header.path, coarse, fine) else None


def _is_rounded(path: Path, coarse: Tensor, fine: Tensor) -> bool:
    """Whether `coarse` is as near to `fine` as rounding explains, in every part of the matrix."""
    if coarse.type not in _ROUNDABLE:
        return False
    rows = coarse.elements // coarse.columns
    step = max(1, min(rows, CHUNK // coarse.columns))
    with path.open("rb") as file:
        sums = _Distance(coarse, fine, step)
        try:
            # The last part is the last whole one: it may overlap the one before it.
            for row in range(0, rows, step):
                at = min(row, rows - step)
                if not sums.is_near(
                    read_at(file, coarse.start + at * sums.coarse_row, step * sums.coarse_row),
                    read_at(file, fine.start + at * sums.fine_row, step * sums.fine_row),
                ):
                    return False
        finally:
            sums.close()
    return True


class _Distance:
    """Compares some rows of two versions of one matrix."""

    def __init__(self, coarse: Tensor, fine: Tensor, rows: int) -> None:
        self._elements = rows * coarse.columns
        self._types = type_number(coarse.type), type_number(fine.type)
        self.coarse_row: int = _row_size(self._types[0], coarse.columns)
        self.fine_row: int = _row_size(self._types[1], fine.columns)
        self._sums = Sums(self._build)

    def _build(self, sums: Sums) -> tuple[int, ...]:
        coarse_type, fine_type = self._types
        self._coarse = sums.vector(coarse_type, self._elements)
        self._fine = sums.vector(fine_type, self._elements)
        coarse, fine = sums.cast(self._coarse, F32), sums.cast(self._fine, F32)
        rounded = sums.cast(sums.cast(fine, coarse_type), F32)
        self._apart = sums.apply("sum", sums.apply("sqr", sums.apply("sub", coarse, fine)))
        self._rounding = sums.apply("sum", sums.apply("sqr", sums.apply("sub", rounded, fine)))
        return self._apart, self._rounding

    def is_near(self, coarse: bytes, fine: bytes) -> bool:
        self._sums.fill(self._coarse, coarse)
        self._sums.fill(self._fine, fine)
        self._sums.run()
        apart, rounding = self._sums.number(self._apart), self._sums.number(self._rounding)
        return apart <= ROUNDED * rounding

    def close(self) -> None:
        self._sums.close()
