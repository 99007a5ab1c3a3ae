"""How many cells of the cache a step attends over, as ggml computes it."""

import ctypes
from typing import Any

from bramble.engine.ggml import function
from bramble.engine.llama import C

_name = function("ggml_get_name", ctypes.c_char_p, ctypes.c_void_p)


class _Tensor(ctypes.Structure):
    """`struct ggml_tensor`, as far as its shape."""

    _fields_ = (("type", ctypes.c_int), ("buffer", ctypes.c_void_p), ("ne", ctypes.c_int64 * 4))


def watch(seen: list[int]) -> Any:
    """A context's `cb_eval`: it appends the cells of each step of plain attention, and has to outlive the context."""

    @C.ggml_backend_sched_eval_callback
    def look(tensor: int, ask: bool, _: object) -> bool:
        if ask and _name(tensor) == b"kq-0":
            seen.append(_Tensor.from_address(tensor).ne[0])
        return not ask

    return look
