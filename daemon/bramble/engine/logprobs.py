"""How likely each drawn token was, by the model alone: before bias, temperature, cuts and grammar."""

import math
from functools import cache
from typing import Any

from bramble.engine.candidates import candidates, logits
from bramble.engine.context import Context
from bramble.engine.extras import Drawn, Likely
from bramble.engine.llama import C, Model


class Logprobs:
    """Collects what is told of an answer's tokens; `top` likely ones beside each."""

    def __init__(self, model: Model, top: int) -> None:
        self._model, self._top = model, top
        self._drawn: list[Drawn] = []

    def note(self, context: Context, row: int, token: int) -> None:
        """Take in a token drawn from a computed row."""
        pool = candidates().load(context, row)
        own = logits(pool)[token]
        C.llama_sampler_apply(_softmax(), pool)
        some = pool.data[pool.selected]
        norm = some.logit - math.log(some.p)  # log of the sum of all exponentials
        likely = self._likely(pool, norm)
        self._drawn.append(Drawn(self._model.piece(token), own - norm, likely))

    def take(self) -> tuple[Drawn, ...]:
        """Everything noted since the last call."""
        drawn = tuple(self._drawn)
        self._drawn.clear()
        return drawn

    def _likely(self, pool: Any, norm: float) -> tuple[Likely, ...]:
        if not self._top:
            return ()
        C.llama_sampler_apply(_best(self._top), pool)
        best = pool.data[: min(self._top, pool.size)]
        return tuple(Likely(self._model.piece(one.id), one.logit - norm) for one in best)


@cache
def _softmax() -> Any:
    """llama.cpp computes probabilities where it draws; what it draws here is used for the norm only."""
    return C.llama_sampler_init_dist(0)


@cache
def _best(count: int) -> Any:
    return C.llama_sampler_init_top_k(count)
