"""Turns sampling settings into llama.cpp's own sampler chain; nothing is drawn in Python."""

from typing import Any

from bramble.engine.candidates import candidates
from bramble.engine.constraint import Constraint
from bramble.engine.extras import Bias, Drawn
from bramble.engine.llama import C, Context, Model
from bramble.engine.logprobs import Logprobs
from bramble.engine.wire import Sampling

PENALTY_WINDOW = 64
"""How many of the last tokens the repetition penalties look at, in llama-server too."""


class Sampler:
    """A chain in llama-server's order. `seed` is 32 bits; `prompt` is what the penalties have seen already.

    With `logprobs` the probability of each drawn token is kept until it is taken, and that many likely ones. With a
    `constraint`, `over` says that the answer is complete.
    """

    def __init__(
        self,
        model: Model,
        sampling: Sampling,
        seed: int,
        prompt: list[int],
        *,
        logprobs: int | None = None,
        constraint: Constraint | None = None,
    ) -> None:
        params = C.llama_sampler_chain_default_params()
        params.no_perf = True
        self._model = model
        self._logprobs = None if logprobs is None else Logprobs(model, logprobs)
        self._constraint = constraint
        self.over = False
        self._chain: Any = C.llama_sampler_chain_init(params)
        for link in _links(sampling, seed, model.vocab_size):
            C.llama_sampler_chain_add(self._chain, link)
        if _penalizes(sampling):
            for token in prompt[-PENALTY_WINDOW:]:
                C.llama_sampler_accept(self._chain, token)

    def draw(self, context: Context, row: int) -> int:
        """The next token after a computed row of the batch."""
        token = self._draw(context, row)
        if self._logprobs is not None and not self._model.ends(token):
            self._logprobs.note(context, row, token)
        return token

    def _draw(self, context: Context, row: int) -> int:
        """Draw freely first: most often the grammar allows that, and asking it of one token costs little."""
        constraint = self._constraint
        if constraint is None:
            return context.sample(self._chain, row)
        buffer = candidates(self._model.vocab_size)
        token = self._pick(buffer.load(context, row))
        if not constraint.allows(token):
            pool = buffer.load(context, row)
            constraint.restrict(pool)
            token = self._pick(pool)
            if not constraint.allows(token):  # nothing in this vocabulary goes on from here
                self.over = True
                return self._model.end
        C.llama_sampler_accept(self._chain, token)
        constraint.accept(token)
        self.over = constraint.complete(buffer)
        return token

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


def _penalizes(sampling: Sampling) -> bool:
    return (
        sampling.repeat_penalty != 1.0
        or sampling.frequency_penalty != 0.0
        or sampling.presence_penalty != 0.0
    )


def _links(sampling: Sampling, seed: int, vocab_size: int) -> list[Any]:
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
        C.llama_sampler_init_dist(seed),
    ]


def _bias(biases: list[Bias], vocab_size: int) -> Any:
    table = (C.llama_logit_bias * len(biases))(*((each.token, each.bias) for each in biases))
    return C.llama_sampler_init_logit_bias(vocab_size, len(biases), table)
