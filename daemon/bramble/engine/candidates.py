"""The whole vocabulary with a row's logits, as llama.cpp's samplers take it."""

import ctypes
from array import array
from functools import cache
from typing import Any

from bramble.engine.context import Context
from bramble.engine.llama import C


class Candidates:
    """One buffer that is filled again and again; whoever loads it uses it up before the next does."""

    def __init__(self, vocab_size: int) -> None:
        self.size = vocab_size
        self._data = (C.llama_token_data * vocab_size)()
        data = memoryview(self._data).cast("B")
        self._tokens = data.cast("i")[0::3]  # llama_token_data is id, logit, probability
        self.logits = data.cast("f")[1::3]
        self._order = memoryview(array("i", range(vocab_size)))
        self._zeros = memoryview(bytes(4 * vocab_size)).cast("f")
        # llama.cpp fills a list for a chain in a tenth of the time that strided copies from here take.
        self._apply = C.llama_sampler_i_apply(self._catch)
        self._methods = C.llama_sampler_i(apply=self._apply)
        self._catcher = C.llama_sampler_chain_init(C.llama_sampler_chain_default_params())
        link = C.llama_sampler_init(ctypes.byref(self._methods), None)
        C.llama_sampler_chain_add(self._catcher, link)

    def load(self, context: Context, row: int) -> Any:
        """The `llama_token_data_array` of a computed row; samplers may sort and cut it."""
        context.sample(self._catcher, row)
        return _array(self._data, self.size)

    def blank(self) -> Any:
        """The same where every token is as likely."""
        self._tokens[:] = self._order
        self.logits[:] = self._zeros
        return _array(self._data, self.size)

    def _catch(self, _sampler: Any, pool: Any) -> None:
        """What a sampler does with its list: this one keeps a copy. It has to choose, so it chooses the first."""
        ctypes.memmove(self._data, pool.contents.data, ctypes.sizeof(self._data))
        pool.contents.selected = 0


def single(token: int) -> Any:
    """A `llama_token_data_array` of one token with logit 1."""
    return _array((C.llama_token_data * 1)(C.llama_token_data(token, 1.0, 0.0)), 1)


def _array(data: Any, size: int) -> Any:
    return C.llama_token_data_array(ctypes.cast(data, C.llama_token_data_p), size, -1, False)


@cache
def candidates(vocab_size: int) -> Candidates:
    """The engine's only buffer; made when a request first needs it (1.8 MB for 150,000 tokens)."""
    return Candidates(vocab_size)
