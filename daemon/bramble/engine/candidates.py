"""The whole vocabulary with a row's logits, as llama.cpp's samplers take it."""

import ctypes
from array import array
from functools import cache
from typing import Any

from bramble.engine.context import Context
from bramble.engine.llama import C


class Candidates:
    """One list that is filled again and again; whoever loads it uses it up before the next does.

    llama.cpp fills and keeps it, for a sampler chain whose only link tells where it is: strided copies from Python take
    ten times as long.
    """

    def __init__(self) -> None:
        self._pool: Any = None
        self._apply = C.llama_sampler_i_apply(self._catch)
        self._methods = C.llama_sampler_i(apply=self._apply)
        self._chain = C.llama_sampler_chain_init(C.llama_sampler_chain_default_params())
        link = C.llama_sampler_init(ctypes.byref(self._methods), None)
        C.llama_sampler_chain_add(self._chain, link)

    def load(self, context: Context, row: int) -> Any:
        """The `llama_token_data_array` of a computed row, in the order of ids; samplers may sort and cut it."""
        context.sample(self._chain, row)
        return self._pool

    def _catch(self, _sampler: Any, pool: Any) -> None:
        pool.contents.selected = 0  # a chain has to choose; nobody asks
        self._pool = _array(pool.contents.data, pool.contents.size)


@cache
def candidates() -> Candidates:
    """The engine's only one; it takes 1.8 MB for 150,000 tokens."""
    return Candidates()


def blank(vocab_size: int) -> Any:
    """A list where every token is as likely."""
    data = (C.llama_token_data * vocab_size)()
    # llama_token_data is id, logit, probability.
    memoryview(data).cast("B").cast("i")[0::3] = memoryview(array("i", range(vocab_size)))
    return _array(data, vocab_size)


def single(token: int) -> Any:
    """A list of one token with logit 1."""
    return _array((C.llama_token_data * 1)(C.llama_token_data(token, 1.0, 0.0)), 1)


def logits(pool: Any) -> "memoryview[float]":
    """A list's logits (format f) in its order, to be read or changed; valid as long as the list is."""
    data = (C.llama_token_data * pool.size).from_address(ctypes.addressof(pool.data.contents))
    return memoryview(data).cast("B").cast("f")[1::3]


def _array(data: Any, size: int) -> Any:
    return C.llama_token_data_array(ctypes.cast(data, C.llama_token_data_p), size, -1, False)
