"""Which cores compute: one core a thread, through ggml's own threadpools, which llama-cpp-python does not bind.

Beside busy neighbours unpinned threads that spin at a barrier collapse (31 → 5 tok/s on two cores); pinned ones share.
"""

import ctypes
import os
from functools import cache
from typing import Any

from bramble.engine.context import Context
from bramble.engine.llama import C

MAX_THREADS = 512
CPU_DEVICE = 0
"""GGML_MAX_N_THREADS and GGML_BACKEND_DEVICE_TYPE_CPU of ggml.h and ggml-backend.h."""

# libllama depends on libggml, so its handle finds ggml's symbols too.
_lib: ctypes.CDLL = C._lib


class _PoolParams(ctypes.Structure):
    """`struct ggml_threadpool_params` of ggml.h."""

    _fields_ = (
        ("cpumask", ctypes.c_bool * MAX_THREADS),
        ("n_threads", ctypes.c_int),
        ("prio", ctypes.c_int),
        ("poll", ctypes.c_uint32),
        ("strict_cpu", ctypes.c_bool),
        ("paused", ctypes.c_bool),
    )


def cores() -> list[int]:
    """The cores that this process may run on, lowest first."""
    return sorted(os.sched_getaffinity(0))


def pin(context: Context, *, decode: int, prefill: int, on: list[int]) -> None:
    """Compute with `decode` and `prefill` threads, the n-th thread of each on the n-th core of `on` alone.

    The calling thread is thread 0. Raises ValueError where there are fewer cores than threads.
    """
    if not 1 <= max(decode, prefill) <= len(on):
        raise ValueError(f"{max(decode, prefill)} threads do not fit {len(on)} cores")
    context.set_threads(decode, prefill)
    _lib.llama_attach_threadpool(
        context.handle, _pool(decode, tuple(on[:decode])), _pool(prefill, tuple(on[:prefill]))
    )


@cache
def _pool(threads: int, on: tuple[int, ...]) -> ctypes.c_void_p:
    """A strict threadpool; it lives as long as the process, and serves every context in turn."""
    params = _PoolParams()
    _lib.ggml_threadpool_params_init(ctypes.byref(params), threads)
    for core in on:
        params.cpumask[core] = True
    params.strict_cpu = True
    return ctypes.c_void_p(_threadpool_new()(ctypes.byref(params)))


def _threadpool_new() -> Any:
    """`ggml_threadpool_new` of the CPU backend in use: with one library a CPU variant it has no fixed place."""
    _lib.ggml_backend_dev_by_type.restype = ctypes.c_void_p
    _lib.ggml_backend_dev_backend_reg.restype = ctypes.c_void_p
    _lib.ggml_backend_reg_get_proc_address.restype = ctypes.c_void_p
    device = ctypes.c_void_p(_lib.ggml_backend_dev_by_type(CPU_DEVICE))
    registry = ctypes.c_void_p(_lib.ggml_backend_dev_backend_reg(device))
    address = _lib.ggml_backend_reg_get_proc_address(registry, b"ggml_threadpool_new")
    return ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)(address)
