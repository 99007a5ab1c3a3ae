"""ggml's own operations through ctypes: sums over a hundred thousand floats without numpy.

llama-cpp-python binds none of this; the symbols are those of the libggml that its libllama brings.
"""

import ctypes
from collections.abc import Callable
from typing import Any

from bramble.engine.llama import C

# libllama depends on libggml, so its handle finds ggml's symbols too.
_lib: ctypes.CDLL = C._lib

F32, F16 = 0, 1
"""Types of `enum ggml_type` in ggml.h."""

CPU_DEVICE = 0
TYPES = 43
"""GGML_BACKEND_DEVICE_TYPE_CPU and GGML_TYPE_COUNT."""

Pointer = int
"""A tensor, context, backend or graph of ggml's."""


class _InitParams(ctypes.Structure):
    """`struct ggml_init_params`."""

    _fields_ = (
        ("mem_size", ctypes.c_size_t),
        ("mem_buffer", ctypes.c_void_p),
        ("no_alloc", ctypes.c_bool),
    )


P, INT, LONG, SIZE, TEXT = (
    ctypes.c_void_p,
    ctypes.c_int,
    ctypes.c_int64,
    ctypes.c_size_t,
    ctypes.c_char_p,
)


def function(name: str, result: Any, *arguments: Any) -> Any:
    """A C function of libllama or libggml with its types."""
    found = getattr(_lib, name)
    found.restype, found.argtypes = result, arguments
    return found


_init = function("ggml_init", P, _InitParams)
_free = function("ggml_free", None, P)
_overhead = function("ggml_tensor_overhead", SIZE)
_graph_overhead = function("ggml_graph_overhead", SIZE)
_type_name = function("ggml_type_name", TEXT, INT)
_tensor = function("ggml_new_tensor_1d", P, P, INT, LONG)
_cast = function("ggml_cast", P, P, P, INT)
_new_graph = function("ggml_new_graph", P, P)
_expand = function("ggml_build_forward_expand", None, P, P)
_backend = function("ggml_backend_init_by_type", P, INT, TEXT)
_backend_free = function("ggml_backend_free", None, P)
_allocate = function("ggml_backend_alloc_ctx_tensors", P, P, P)
_buffer_free = function("ggml_backend_buffer_free", None, P)
_compute = function("ggml_backend_graph_compute", INT, P, P)
_set = function("ggml_backend_tensor_set", None, P, P, SIZE, SIZE)
_get = function("ggml_backend_tensor_get", None, P, P, SIZE, SIZE)
_nbytes = function("ggml_nbytes", SIZE, P)
_unary = {name: function(f"ggml_{name}", P, P, P) for name in ("soft_max", "argmax", "sqr", "sum")}
_binary = {name: function(f"ggml_{name}", P, P, P, P) for name in ("sub", "cross_entropy_loss")}


def type_name(type: int) -> str:
    """Like `q4_0`; `?` for a number that ggml does not know."""
    name: bytes | None = _type_name(type) if 0 <= type < TYPES else None
    return name.decode() if name else "?"


def type_number(name: str) -> int:
    """The `enum ggml_type` of a name like `q4_0`. Raises KeyError."""
    for number in range(TYPES):
        if type_name(number) == name:
            return number
    raise KeyError(name)


class Sums:
    """One computation on vectors, run as often as wanted on one thread.

    `build` gets this object and returns the tensors to read; it makes inputs with `vector` and combines them with
    `apply` and `cast`, named like ggml's functions (`soft_max`, `cross_entropy_loss`).
    """

    def __init__(self, build: Callable[["Sums"], tuple[Pointer, ...]]) -> None:
        size = 64 * _overhead() + _graph_overhead()
        self._context = _init(_InitParams(size, None, True))
        self._backend = _backend(CPU_DEVICE, None)
        self._outputs = build(self)
        self._graph = _new_graph(self._context)
        for tensor in self._outputs:
            _expand(self._graph, tensor)
        self._buffer = _allocate(self._context, self._backend)
        if not self._buffer:
            raise MemoryError("no memory for ggml's vectors")
        _use_one_thread(self._backend)

    def vector(self, type: int, elements: int) -> Pointer:
        """An input; fill it before each run."""
        return _tensor(self._context, type, elements)

    def cast(self, tensor: Pointer, type: int) -> Pointer:
        """The same numbers in another type; quantizing rounds as llama.cpp does."""
        return _cast(self._context, tensor, type)

    def apply(self, name: str, *tensors: Pointer) -> Pointer:
        """One of ggml's operations on one or two tensors."""
        function = (_unary if len(tensors) == 1 else _binary)[name]
        return function(self._context, *tensors)

    def fill(self, tensor: Pointer, data: Any) -> None:
        """Copy a whole input from a ctypes array, a pointer or bytes."""
        _set(tensor, ctypes.cast(data, P), 0, _nbytes(tensor))

    def run(self) -> None:
        """Compute all outputs from the inputs."""
        if _compute(self._backend, self._graph) != 0:
            raise RuntimeError("ggml could not compute")

    def number(self, tensor: Pointer) -> float:
        """An output of one float."""
        return self._scalar(tensor, ctypes.c_float())

    def index(self, tensor: Pointer) -> int:
        """An output of one whole number."""
        return self._scalar(tensor, ctypes.c_int32())

    def read(self, tensor: Pointer, into: Any) -> None:
        """Copy a whole output into a ctypes array of its size."""
        _get(tensor, ctypes.byref(into), 0, ctypes.sizeof(into))

    def _scalar(self, tensor: Pointer, into: Any) -> Any:
        self.read(tensor, into)
        return into.value

    def close(self) -> None:
        """Give the memory back."""
        _buffer_free(self._buffer)
        _backend_free(self._backend)
        _free(self._context)


def _use_one_thread(backend: Pointer) -> None:
    """Unset it is four; a row of softmax uses one, and the others would spin at its barriers."""
    device = function("ggml_backend_get_device", P, P)(backend)
    registry = function("ggml_backend_dev_backend_reg", P, P)(device)
    look_up = function("ggml_backend_reg_get_proc_address", P, P, TEXT)
    address = look_up(registry, b"ggml_backend_set_n_threads")
    ctypes.CFUNCTYPE(None, P, INT)(address)(backend, 1)
