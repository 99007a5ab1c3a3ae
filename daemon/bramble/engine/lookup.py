"""Embeddings stay in the model's file: of a token one row is read, and the kernel keeps the pages that are in use.

llama.cpp reads a file whole where it re-tiles weights, so an embedding takes memory for a copy that is hardly looked
at; one that is the output head, too, is there twice, as rows and re-tiled.
"""

import ctypes
import mmap
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from bramble.engine.ggml import SIZE, TEXT, P, Pointer, function
from bramble.engine.gguf import Header, NotGguf
from bramble.engine.gguf import Tensor as Told
from bramble.engine.llama import Model
from bramble.engine.maps import advise, map_file, unmap
from bramble.engine.weights import EMBEDDING, HEAD, LOOKED_UP

PLAIN = b"CPU"
"""What ggml calls memory in which weights lie as in the file."""
PROBE = 4096
"""Bytes at either end of a tensor by which it is compared with what the file has in its place."""


class _Vector(ctypes.Structure):
    """`std::vector<std::pair<std::string, ggml_tensor *>>`; the layout is part of libstdc++'s stable ABI."""

    _fields_ = (("begin", P), ("end", P), ("room", P))


class _Entry(ctypes.Structure):
    """That `std::pair`."""

    _fields_ = (("name", ctypes.c_byte * 32), ("tensor", P))


class _Tensor(ctypes.Structure):
    """`struct ggml_tensor` of ggml.h, up to its data."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("buffer", P),
        ("ne", ctypes.c_int64 * 4),
        ("nb", SIZE * 4),
        ("op", ctypes.c_int),
        ("op_params", ctypes.c_int32 * 16),
        ("flags", ctypes.c_int32),
        ("src", P * 10),
        ("view_src", P),
        ("view_offs", SIZE),
        ("data", P),
    )


try:
    _tensor_map = function(
        "_Z29llama_internal_get_tensor_mapB5cxx11PK11llama_model", ctypes.POINTER(_Vector), P
    )
except AttributeError:  # built otherwise: everything stays in memory
    _tensor_map = None
_name = function("ggml_get_name", TEXT, P)
_nbytes = function("ggml_nbytes", SIZE, P)
_data = function("ggml_get_data", P, P)
_place = function("ggml_backend_buffer_name", TEXT, P)


def looked_up(model: Model) -> int:
    """Bytes of `model`'s tensors of which only rows are read; a dry one tells it as well."""
    return sum(_nbytes(tensor) for tensor in _looked_up(model))


def keep_in_file(model: Model, path: Path) -> None:
    """Read those tensors in the file from now on, for as long as this process lives, and give their memory back.

    Nothing may be computed meanwhile. What the file has elsewhere, or not as it was read, stays in memory.
    """
    wanted = _looked_up(model)
    if not wanted:
        return
    with suppress(OSError, NotGguf), path.open("rb") as file, closing(Header(path)) as header:
        for tensor in wanted:
            told = header.find(_name(tensor).decode())
            if told is not None and told.size == _nbytes(tensor):
                _move(tensor, file.fileno(), told)


def _move(tensor: Pointer, file: int, told: Told) -> None:
    skipped = told.start % mmap.PAGESIZE
    piece = map_file(file, told.start - skipped, told.size + skipped)
    if piece is None:
        return
    there, here = piece[0] + skipped, _data(tensor)
    fields = _Tensor.from_address(tensor)
    if fields.data != here or not _alike(here, there, told.size):
        unmap(piece)
        return
    fields.data = there
    advise(piece, mmap.MADV_RANDOM)  # a row needs no neighbours
    first, end = -(-here // mmap.PAGESIZE), (here + told.size) // mmap.PAGESIZE
    advise((first * mmap.PAGESIZE, end * mmap.PAGESIZE), mmap.MADV_DONTNEED)


def _alike(one: int, other: int, size: int) -> bool:
    probe = min(size, PROBE)
    return all(
        ctypes.string_at(one + at, probe) == ctypes.string_at(other + at, probe)
        for at in (0, size - probe)
    )


def _looked_up(model: Model) -> list[Pointer]:
    """A tied embedding that has no second copy is the head, and read whole."""
    held = list(_tensors(model))
    names = Counter[bytes](_name(tensor) for tensor in held)
    tied = names[EMBEDDING.encode()] == 1 and not names[HEAD.encode()]
    wanted = {name.encode() for name in LOOKED_UP if not (tied and name == EMBEDDING)}
    return [
        tensor
        for tensor in held
        if _name(tensor) in wanted and _place(_Tensor.from_address(tensor).buffer) == PLAIN
    ]


def _tensors(model: Model) -> Iterator[Pointer]:
    if _tensor_map is None:
        return
    vector = _tensor_map(model.pointer).contents
    for entry in range(vector.begin, vector.end, ctypes.sizeof(_Entry)):
        yield _Entry.from_address(entry).tensor
