"""How many bytes of weights one token streams from memory, from the tensor list of a GGUF file."""

import ctypes
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
    lib.gguf_get_tensor_size.argtypes = (ctypes.c_void_p, ctypes.c_int64)
    lib.gguf_get_tensor_size.restype = ctypes.c_size_t
    return lib


_gguf = _bound()


def tensor_sizes(path: Path) -> dict[str, int]:
    """The bytes of every tensor in the file, by name. Raises ValueError where it is no GGUF file."""
    handle = _gguf.gguf_init_from_file(bytes(path), _InitParams(no_alloc=True, ctx=None))
    if not handle:
        raise ValueError(f"{path} cannot be read as GGUF")
    try:
        return dict(_tensors(handle))
    finally:
        _gguf.gguf_free(handle)


def _tensors(handle: int) -> Iterator[tuple[str, int]]:
    for index in range(_gguf.gguf_get_n_tensors(handle)):
        name: bytes = _gguf.gguf_get_tensor_name(handle, index)
        yield name.decode("utf-8", "replace"), _gguf.gguf_get_tensor_size(handle, index)


def bytes_per_token(sizes: dict[str, int], *, experts: int, experts_used: int) -> int:
    """Bytes of weights read for one token of one sequence.

    A tied embedding is the output head too and read whole. `experts` of a mixture (0 where there is none).
    """
    tied = HEAD not in sizes
    total = 0
    for name, size in sizes.items():
        if name in LOOKED_UP and not (tied and name == EMBEDDING):
            continue
        total += size * experts_used // experts if experts and EXPERTS in name else size
    return total
