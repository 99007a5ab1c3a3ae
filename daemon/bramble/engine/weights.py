"""How many bytes of weights one token streams from memory, from the tensor list of a GGUF file."""

import ctypes
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

from bramble.engine.llama import C

EMBEDDING = "token_embd.weight"
HEAD = "output.weight"
LOOKED_UP = {EMBEDDING, "per_layer_token_embd.weight"}
"""Of these only a row is read for a token."""
EXPERTS = "_exps."
"""Part of the name of tensors that hold all experts of a layer; a token uses a few of them."""


class _InitParams(ctypes.Structure):
    """`struct gguf_init_params` of gguf.h."""

    _fields_ = (("no_alloc", ctypes.c_bool), ("ctx", ctypes.c_void_p))


def _bound() -> Any:
    """ggml's GGUF reader, which llama-cpp-python does not bind; libllama depends on it, so its handle finds it."""
    lib: Any = C._lib
    lib.gguf_init_from_file.argtypes = (ctypes.c_char_p, _InitParams)
    lib.gguf_init_from_file.restype = ctypes.c_void_p
    lib.gguf_free.argtypes = (ctypes.c_void_p,)
    lib.gguf_get_n_tensors.argtypes = (ctypes.c_void_p,)
    lib.gguf_get_n_tensors.restype = ctypes.c_int64
    lib.gguf_get_tensor_name.argtypes = (ctypes.c_void_p, ctypes.c_int64)
    lib.gguf_get_tensor_name.restype = ctypes.c_char_p
    lib.gguf_get_tensor_type.argtypes = (ctypes.c_void_p, ctypes.c_int64)
    lib.gguf_get_tensor_size.argtypes = (ctypes.c_void_p, ctypes.c_int64)
    lib.gguf_get_tensor_size.restype = ctypes.c_size_t
    return lib


_gguf = _bound()


class Tensor(NamedTuple):
    """One tensor of a file: its size in bytes and its type, a number of `enum ggml_type`."""

    size: int
    type: int


def tensors(path: Path) -> dict[str, Tensor]:
    """Every tensor in the file by name. Raises ValueError where it is no GGUF file."""
    handle = _gguf.gguf_init_from_file(bytes(path), _InitParams(no_alloc=True, ctx=None))
    if not handle:
        raise ValueError(f"{path} cannot be read as GGUF")
    try:
        return dict(_tensors(handle))
    finally:
        _gguf.gguf_free(handle)


def _tensors(handle: int) -> Iterator[tuple[str, Tensor]]:
    for index in range(_gguf.gguf_get_n_tensors(handle)):
        name: bytes = _gguf.gguf_get_tensor_name(handle, index)
        size, kind = (
            _gguf.gguf_get_tensor_size(handle, index),
            _gguf.gguf_get_tensor_type(handle, index),
        )
        yield name.decode("utf-8", "replace"), Tensor(size, kind)


def largest_repacked(held: dict[str, Tensor], repacked: int) -> int:
    """The largest tensor among those repacked, `repacked` bytes in all: it is read into a block of its own first.

    A CPU repacks all weights of some types, so the types are those whose sizes come nearest to that sum.
    """
    if not repacked:
        return 0
    weights = [tensor for name, tensor in held.items() if _may_be_repacked(name, held)]
    types = sorted({tensor.type for tensor in weights})
    choices = [
        [tensor.size for tensor in weights if tensor.type in chosen]
        for count in range(1, len(types) + 1)
        for chosen in combinations(types, count)
    ]
    return max(min(choices, key=lambda sizes: abs(sum(sizes) - repacked)))


def _may_be_repacked(name: str, held: dict[str, Tensor]) -> bool:
    return name.endswith(".weight") and not _is_looked_up(name, held)


def looked_up(held: dict[str, Tensor]) -> int:
    """Bytes of tensors of which decoding reads single rows: mapped ones need not stay in memory."""
    return sum(tensor.size for name, tensor in held.items() if _is_looked_up(name, held))


def _is_looked_up(name: str, held: dict[str, Tensor]) -> bool:
    """A tied embedding is the output head too, and read whole."""
    return name in LOOKED_UP and not (name == EMBEDDING and HEAD not in held)


def bytes_per_token(held: dict[str, Tensor], *, experts: int, experts_used: int) -> int:
    """Bytes of weights read for one token of one sequence. `experts` of a mixture, 0 where there is none."""
    total = 0
    for name, (size, _) in held.items():
        if _is_looked_up(name, held):
            continue
        total += size * experts_used // experts if experts and EXPERTS in name else size
    return total
