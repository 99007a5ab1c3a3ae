"""Turns sampling settings into llama.cpp's own sampler chain; nothing is drawn in Python."""

import math
from typing import Any

from bramble.engine.candidates import candidates, logits
from bramble.engine.constraint import Constraint
from bramble.engine.context import Context
from bramble.engine.extras import Bias, Drawn
from bramble.engine.llama import C, Model
from bramble.engine.logprobs import Logprobs
from bramble.engine.wire import Sampling

MASK = (1 << 64) - 1
PENALTY_WINDOW = 64
"""How many of the last tokens the repetition penalties look at, in llama-server too."""


class Sampler:
    """A chain in llama-server's order. `seed` is 32 bits; `before` is what the penalties have seen already.

    Each position of the answer draws with a seed of its own: an answer that goes on at `position` repeats no draw.

    With `speaks` the first token is no end: small models end some answers before they begin. With `logprobs` the
    probability of each drawn token is kept until it is taken, and that many likely ones. With a `constraint`, `over`
    says that the answer is complete.
    """

    def __init__(
        self,
        model: Model,
        sampling: Sampling,
        seed: int,
        before: list[int],
        *,
        position: int = 0,
        speaks: bool = False,
        logprobs: int | None = None,
        constraint: Constraint | None = None,
    ) -> None:
        params = C.llama_sampler_chain_default_params()
        params.no_perf = True
        self._model = model
        self._logprobs = None if logprobs is None else Logprobs(model, logprobs)
        self._constraint = constraint
        self._seed = seed if sampling.temperature > 0.0 else None
        self._position = position
        self._silent = speaks and position == 0 and constraint is None
        self._chain: Any = C.llama_sampler_chain_init(params)
        for link in _links(sampling, model.vocab_size):
            C.llama_sampler_chain_add(self._chain, link)
        self._end: int = C.llama_sampler_chain_n(self._chain)
        if _penalizes(sampling):
            for token in before[-PENALTY_WINDOW:]:
                C.llama_sampler_accept(self._chain, token)
        self.over = position > 0 and constraint is not None and constraint.complete()

    def draw(self, context: Context, row: int) -> int:
        """The next token after a computed row of the batch."""
        self._reseed()
        token = self._draw(context, row)
        if self._silent and not self.over and self._model.ends(token):
            token = self._pick_words(context, row)
        self._silent = False
        if self._logprobs is not None and not self._model.ends(token):
            self._logprobs.note(context, row, token)
        return token

    def _reseed(self) -> None:
        if self._seed is None:
            return
        if C.llama_sampler_chain_n(self._chain) > self._end:
            C.llama_sampler_free(C.llama_sampler_chain_remove(self._chain, self._end))
        draw = C.llama_sampler_init_dist(seed_at(self._seed, self._position))
        C.llama_sampler_chain_add(self._chain, draw)
        self._position += 1

    def _draw(self, context: Context, row: int) -> int:
        """Draw freely first: most often the grammar allows that, and asking it of one token costs little."""
        constraint = self._constraint
        if constraint is None:
            return context.sample(self._chain, row)
        token = self._pick(candidates().load(context, row))
        if not constraint.allows(token):
            pool = candidates().load(context, row)
            constraint.restrict(pool)
            token = self._pick(pool)
            if not constraint.allows(token):  # nothing in this vocabulary goes on from here
                self.over = True
                return self._model.end
        C.llama_sampler_accept(self._chain, token)
        constraint.accept(token)
        self.over = constraint.complete()
        return token

    def _pick_words(self, context: Context, row: int) -> int:
        """What would have been drawn if there were no end: every token that is one is struck out in turn."""
        ends: list[int] = []
        while True:
            pool = candidates().load(context, row)
            for end in ends:
                logits(pool)[end] = -math.inf
            token = self._pick(pool)
            if not self._model.ends(token) or token in ends:  # a bias may leave nothing else
                C.llama_sampler_accept(self._chain, token)
                return token
            ends.append(token)

    def _pick(self, pool: Any) -> int:
        C.llama_sampler_apply(self._chain, pool)
        return pool.data[pool.selected].id

    def take_drawn(self) -> tuple[Drawn, ...]:
        """What is to be told of the tokens drawn since the last call."""
        return () if self._logprobs is None else self._logprobs.take()

    def close(self) -> None:
        """Free the chain; calling it twice is harmless."""
        if self._chain:
            C.llama_sampler_free(self._chain)
            self._chain = None
        if self._constraint is not None:
            self._constraint.close()


def seed_at(seed: int, position: int) -> int:
    """The seed of one position: SplitMix64 (Steele, Lea, Flood 2014), 32 bits of it but never llama.cpp's "random"."""
    mixed = ((seed << 32 | position) + 0x9E3779B97F4A7C15) & MASK
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 & MASK
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & MASK
    return (mixed ^ mixed >> 31) % 0xFFFFFFFF


def _penalizes(sampling: Sampling) -> bool:
    return (
        sampling.repeat_penalty != 1.0
        or sampling.frequency_penalty != 0.0
        or sampling.presence_penalty != 0.0
    )


def _links(sampling: Sampling, vocab_size: int) -> list[Any]:
    """All but the last link: what draws is put in anew for each position."""
    links: list[Any] = []
    if biases := [each for each in sampling.logit_bias if 0 <= each.token < vocab_size]:
        links.append(_bias(biases, vocab_size))
    if _penalizes(sampling):
        links.append(
            C.llama_sampler_init_penalties(
                vocab_size,
                PENALTY_WINDOW,
                sampling.repeat_penalty,
                sampling.frequency_penalty,
                sampling.presence_penalty,
            )
        )
    if sampling.temperature <= 0.0:
        return [*links, C.llama_sampler_init_greedy()]
    return [
        *links,
        C.llama_sampler_init_top_k(sampling.top_k),
        C.llama_sampler_init_top_p(sampling.top_p, 1),
        C.llama_sampler_init_min_p(sampling.min_p, 1),
        C.llama_sampler_init_temp(sampling.temperature),
    ]


def _bias(biases: list[Bias], vocab_size: int) -> Any:
    table = (C.llama_logit_bias * len(biases))(*((each.token, each.bias) for each in biases))
    return C.llama_sampler_init_logit_bias(vocab_size, len(biases), table)
