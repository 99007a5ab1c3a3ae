"""GGUF files as containers: what tensors one holds, and a copy with a tensor less. ggml reads and writes the header.

Weights are copied block by block; nothing here holds more of a file than its header.
"""

import ctypes
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from bramble.engine.ggml import INT, LONG, SIZE, TEXT, P, Pointer, function, type_name

BLOCK = 1 << 20


class _Params(ctypes.Structure):
    """`struct gguf_init_params`."""

    _fields_ = (("no_alloc", ctypes.c_bool), ("ctx", ctypes.POINTER(ctypes.c_void_p)))


_open = function("gguf_init_from_file", P, TEXT, _Params)
_empty = function("gguf_init_empty", P)
_free = function("gguf_free", None, P)
_free_tensors = function("ggml_free", None, P)
_alignment = function("gguf_get_alignment", SIZE, P)
_data_offset = function("gguf_get_data_offset", SIZE, P)
_count = function("gguf_get_n_tensors", LONG, P)
_name = function("gguf_get_tensor_name", TEXT, P, LONG)
_type = function("gguf_get_tensor_type", INT, P, LONG)
_size = function("gguf_get_tensor_size", SIZE, P, LONG)
_offset = function("gguf_get_tensor_offset", SIZE, P, LONG)
_shape = function("gguf_get_tensor_ne", ctypes.POINTER(ctypes.c_int64), P, LONG)
_find_key = function("gguf_find_key", LONG, P, TEXT)
_key_type = function("gguf_get_kv_type", INT, P, LONG)
_array_length = function("gguf_get_arr_n", SIZE, P, LONG)
_u16 = function("gguf_get_val_u16", ctypes.c_uint16, P, LONG)
_copy_keys = function("gguf_set_kv", None, P, P)
_add = function("gguf_add_tensor", None, P, P)
_write = function("gguf_write_to_file", ctypes.c_bool, P, TEXT, ctypes.c_bool)
_tensor = function("ggml_get_tensor", P, P, TEXT)
_rename = function("ggml_set_name", P, P, TEXT)

_UINT16, _ARRAY = 2, 9
"""Of `enum gguf_type`."""


class NotGguf(Exception):
    """The file's header cannot be read; ggml's log says why."""


@dataclass(frozen=True)
class Tensor:
    """Where a tensor's bytes lie: `start` from the beginning of the file. `columns` is the length of a row."""

    name: str
    type: str
    start: int
    size: int
    columns: int
    elements: int


class Header:
    """The header of one GGUF file, until `close`. Raises NotGguf."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._tensors = ctypes.c_void_p()
        self._file: Pointer = _open(bytes(path), _Params(True, ctypes.pointer(self._tensors)))
        if not self._file:
            raise NotGguf(path.name)
        start: int = _data_offset(self._file)
        self.tensors = [self._describe(start, i) for i in range(_count(self._file))]

    def _describe(self, start: int, i: int) -> Tensor:
        shape = _shape(self._file, i)
        return Tensor(
            name=_name(self._file, i).decode("utf-8", "replace"),
            type=type_name(_type(self._file, i)),
            start=start + _offset(self._file, i),
            size=_size(self._file, i),
            columns=shape[0],
            elements=shape[0] * shape[1] * shape[2] * shape[3],
        )

    def find(self, name: str) -> Tensor | None:
        """The tensor of that name."""
        return next((each for each in self.tensors if each.name == name), None)

    def array_length(self, key: str) -> int:
        """How many entries a list in the metadata has; 0 where there is none."""
        at: int = _find_key(self._file, key.encode())
        return _array_length(self._file, at) if at >= 0 and self._is(at, _ARRAY) else 0

    def parts(self) -> int:
        """In how many files this model was cut."""
        at: int = _find_key(self._file, b"split.count")
        return max(1, _u16(self._file, at)) if at >= 0 and self._is(at, _UINT16) else 1

    def _is(self, at: int, type: int) -> bool:
        return _key_type(self._file, at) == type

    def write_without(self, drop: str, rename: dict[str, str], target: Path) -> list[Tensor]:
        """Write a header that lacks the tensor `drop` and calls others anew; return what has to follow it, in order."""
        kept = [each for each in self.tensors if each.name != drop]
        new: Pointer = _empty()
        try:
            _copy_keys(new, self._file)
            for each in kept:
                tensor = _tensor(self._tensors, each.name.encode())
                if each.name in rename:
                    _rename(tensor, rename[each.name].encode())
                _add(new, tensor)
            if not _write(new, bytes(target), True):
                raise OSError(f"the header of {target.name} could not be written")
        finally:
            _free(new)
        return kept

    def alignment(self) -> int:
        """Each tensor begins at a multiple of this many bytes."""
        return _alignment(self._file)

    def close(self) -> None:
        """Give the memory back."""
        _free(self._file)
        _free_tensors(self._tensors)


def copy_without(
    source: Path,
    target: Path,
    drop: str,
    rename: dict[str, str],
    progress: Callable[[float], None],
) -> None:
    """Copy `source` to `target` without the tensor `drop`, calling others by the names in `rename`.

    Raises NotGguf, OSError. `target` is on the disk when this returns.
    """
    # Renaming changes the open header, so it is read for this one use.
    header = Header(source)
    try:
        kept = header.write_without(drop, rename, target)
        total = sum(each.size for each in kept) or 1
        with source.open("rb") as old, target.open("ab") as new:
            done = 0
            for each in kept:
                old.seek(each.start)
                _copy(old, new, each.size)
                new.write(bytes(-new.tell() % header.alignment()))
                done += each.size
                progress(done / total)
            new.flush()
            os.fsync(new.fileno())
    finally:
        header.close()


def _copy(old: BinaryIO, new: BinaryIO, size: int) -> None:
    while size:
        block = old.read(min(size, BLOCK))
        if not block:
            raise OSError(f"{old.name} ends too soon")
        new.write(block)
        size -= len(block)


def same_bytes(path: Path, one: Tensor, other: Tensor) -> bool:
    """Whether two tensors of a file are the same, byte for byte."""
    if (one.type, one.size, one.columns) != (other.type, other.size, other.columns):
        return False
    with path.open("rb") as first, path.open("rb") as second:
        first.seek(one.start)
        second.seek(other.start)
        left = one.size
        while left:
            block = first.read(min(left, BLOCK))
            if not block or block != second.read(len(block)):
                return False
            left -= len(block)
    return True


def read_at(file: BinaryIO, start: int, size: int) -> Any:
    """`size` bytes from `start` on. Raises OSError where the file is shorter."""
    data = os.pread(file.fileno(), size, start)
    if len(data) != size:
        raise OSError(f"{file.name} ends too soon")
    return data
