"""The whole vocabulary with a row's logits, as llama.cpp's samplers take it; filled by strided copies."""

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

    def load(self, context: Context, row: int) -> Any:
        """The `llama_token_data_array` of a computed row; samplers may sort and cut it."""
        return self._fill(context.logits(row, self.size))

    def blank(self) -> Any:
        """The same where every token is as likely."""
        return self._fill(self._zeros)

    def _fill(self, logits: "memoryview[float]") -> Any:
        self._tokens[:] = self._order
        self.logits[:] = logits
        return _array(self._data, self.size)


def single(token: int) -> Any:
    """A `llama_token_data_array` of one token with logit 1."""
    return _array((C.llama_token_data * 1)(C.llama_token_data(token, 1.0, 0.0)), 1)


def _array(data: Any, size: int) -> Any:
    return C.llama_token_data_array(ctypes.cast(data, C.llama_token_data_p), size, -1, False)


@cache
def candidates(vocab_size: int) -> Candidates:
    """The engine's only buffer; made when a request first needs it (1.8 MB for 150,000 tokens)."""
    return Candidates(vocab_size)
