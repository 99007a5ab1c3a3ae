"""An answer held to a grammar by llama.cpp's grammar sampler, in the order that costs least.

llama.cpp ends the process when it is made to accept what the grammar does not allow: everything is asked before.
"""

import math
from typing import Any

from bramble.engine.candidates import blank, logits, single
from bramble.engine.llama import C, Model
from bramble.engine.schema import GrammarError


class Constraint:
    """The state of one answer in its grammar. Raises GrammarError where llama.cpp does not take the grammar."""

    def __init__(self, model: Model, grammar: str) -> None:
        self._model = model
        self._sampler: Any = C.llama_sampler_init_grammar(model.vocab, grammar.encode(), b"root")
        if not self._sampler:
            raise GrammarError("leads to a grammar that cannot be used")

    def allows(self, token: int) -> bool:
        """Whether the answer may go on with a token, or end where the token says so."""
        pool = single(token)
        C.llama_sampler_apply(self._sampler, pool)
        return pool.data[0].logit != -math.inf

    def restrict(self, pool: Any) -> None:
        """Make every token impossible that is not allowed."""
        C.llama_sampler_apply(self._sampler, pool)

    def accept(self, token: int) -> None:
        """Go on past a token that is allowed."""
        C.llama_sampler_accept(self._sampler, token)

    def complete(self) -> bool:
        """Whether nothing but the end may follow."""
        if not self.allows(self._model.end):
            return False
        pool = blank(self._model.vocab_size)
        self.restrict(pool)
        ends = self._model.ends
        return not any(logit == 0.0 and not ends(token) for token, logit in enumerate(logits(pool)))

    def close(self) -> None:
        """Free the sampler; calling it twice is harmless."""
        if self._sampler:
            C.llama_sampler_free(self._sampler)
            self._sampler = None
