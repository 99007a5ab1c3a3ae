"""Turns sampling settings into llama.cpp's own sampler chain; nothing is drawn in Python."""

from typing import Any

from bramble.engine.llama import C, Context
from bramble.engine.wire import Sampling

PENALTY_WINDOW = 64
"""How many of the last tokens the repetition penalties look at, in llama-server too."""


class Sampler:
    """A chain in llama-server's order. `seed` is 32 bits; `prompt` is what the penalties have seen already."""

    def __init__(self, sampling: Sampling, seed: int, vocab_size: int, prompt: list[int]) -> None:
        params = C.llama_sampler_chain_default_params()
        params.no_perf = True
        self._chain: Any = C.llama_sampler_chain_init(params)
        for link in _links(sampling, seed, vocab_size):
            C.llama_sampler_chain_add(self._chain, link)
        if _penalizes(sampling):
            for token in prompt[-PENALTY_WINDOW:]:
                C.llama_sampler_accept(self._chain, token)

    def draw(self, context: Context, row: int) -> int:
        """The next token after a computed row of the batch."""
        return context.sample(self._chain, row)

    def close(self) -> None:
        """Free the chain; calling it twice is harmless."""
        if self._chain:
            C.llama_sampler_free(self._chain)
            self._chain = None


def _penalizes(sampling: Sampling) -> bool:
    return (
        sampling.repeat_penalty != 1.0
        or sampling.frequency_penalty != 0.0
        or sampling.presence_penalty != 0.0
    )


def _links(sampling: Sampling, seed: int, vocab_size: int) -> list[Any]:
    links: list[Any] = []
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
