"""What a model and a context would take, exactly and without reading a weight: llama.cpp's own dry run (`no_alloc`)."""

import ctypes
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bramble.engine.context import Context
from bramble.engine.llama import Adjust, C, Model, nothing_else
from bramble.engine.lookup import looked_up

FLOAT_BYTES = 4
REPACKED, REMOTE = "CPU_REPACK", "RPC"
"""What ggml calls its kinds of memory; that of another machine has its address behind, in brackets."""


@dataclass(frozen=True)
class Buffers:
    """Sizes in bytes. `repacked` and `looked_up` are parts of `weights`; of the latter a token reads only a row.

    `outputs` are the logits of one step.
    `away` is what other machines hold, all together, by their address.
    """

    weights: int
    repacked: int
    looked_up: int
    kv: int
    compute: int
    outputs: int
    away: Mapping[str, int]


class DryModel:
    """A model without weights, to try contexts on. Raises LoadError where the file cannot be read as a model."""

    def __init__(self, path: Path, *, repack: bool, adjust: Adjust = nothing_else) -> None:
        self._model = Model(
            path,
            mmap=False,
            progress=lambda _: None,
            repack=repack,
            dry=True,
            adjust=adjust,
        )
        self.vocab_size = self._model.vocab_size
        self.window = self._model.window

    def close(self) -> None:
        """Give back what little it holds."""
        self._model.close()

    def buffers(
        self, *, context: int, slots: int, batch: int, guess_rows: int, windowed: bool = False
    ) -> Buffers:
        """What a context like this would take. Raises LoadError."""
        dry = Context(
            self._model,
            size=context,
            slots=slots,
            batch=batch,
            threads=1,
            guess_rows=guess_rows,
            windowed=windowed,
        )
        try:
            parts, away = _by_place(_breakdown(dry))
        finally:
            dry.close()
        return Buffers(
            weights=sum(part["model"] for part in parts.values()),
            repacked=parts.get(REPACKED, Counter())["model"],
            looked_up=looked_up(self._model),
            kv=sum(part["context"] for part in parts.values()),
            compute=sum(part["compute"] for part in parts.values()),
            outputs=(slots + guess_rows) * self.vocab_size * FLOAT_BYTES,
            away=away,
        )


def _by_place(
    parts: Iterator[tuple[str, Counter[str]]],
) -> tuple[dict[str, Counter[str]], dict[str, int]]:
    """What this machine holds, by kind of memory, and the sums of the others, by their address."""
    here, away = dict[str, Counter[str]](), dict[str, int]()
    for name, sizes in parts:
        if name.startswith(REMOTE):
            away[name.partition("[")[2].rstrip("]")] = sizes.total()
        else:
            here[name] = sizes
    return here, away


def repacks(path: Path) -> bool:
    """Whether this CPU re-tiles some of a model's weights at load. Raises LoadError where the file is no model."""
    dry = DryModel(path, repack=True)
    try:
        return dry.buffers(context=256, slots=1, batch=32, guess_rows=0).repacked > 0
    finally:
        dry.close()


# ── llama_get_memory_breakdown, which returns a std::map<ggml_backend_buffer_type_t, {model, context, compute}> ──


class _Node(ctypes.Structure):
    """libstdc++'s `_Rb_tree_node` with this map's pair behind it; the layout is part of that library's stable ABI."""


_Node._fields_ = (
    ("color", ctypes.c_int),
    ("parent", ctypes.POINTER(_Node)),
    ("left", ctypes.POINTER(_Node)),
    ("right", ctypes.POINTER(_Node)),
    ("buffer_type", ctypes.c_void_p),
    ("model", ctypes.c_size_t),
    ("context", ctypes.c_size_t),
    ("compute", ctypes.c_size_t),
)


class _Map(ctypes.Structure):
    """The `std::map` itself: a comparison without state, the header node, the count."""

    _fields_ = (
        ("compare", ctypes.c_size_t),
        ("color", ctypes.c_int),
        ("root", ctypes.POINTER(_Node)),
        ("leftmost", ctypes.c_void_p),
        ("rightmost", ctypes.c_void_p),
        ("count", ctypes.c_size_t),
    )


def _bound() -> Any:
    lib: Any = C._lib
    breakdown = lib._Z26llama_get_memory_breakdownPK13llama_context
    breakdown.argtypes = (ctypes.c_void_p,)
    breakdown.restype = _Map
    lib.ggml_backend_buft_name.argtypes = (ctypes.c_void_p,)
    lib.ggml_backend_buft_name.restype = ctypes.c_char_p
    return lib


_lib = _bound()


def _breakdown(context: Context) -> Iterator[tuple[str, Counter[str]]]:
    """Bytes by buffer type and use. The map's few nodes are never freed: C++ alone could."""
    sizes = _lib._Z26llama_get_memory_breakdownPK13llama_context(context.handle)
    waiting = [sizes.root]
    while waiting:
        pointer = waiting.pop()
        if not pointer:
            continue
        node = pointer.contents
        waiting += [node.left, node.right]
        name: bytes = _lib.ggml_backend_buft_name(node.buffer_type)
        uses = {"model": node.model, "context": node.context, "compute": node.compute}
        yield name.decode(), Counter(uses)
