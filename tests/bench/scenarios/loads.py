"""What is asked of a server, one function a load: each returns its figures, which every server has alike."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from statistics import median
from time import perf_counter

from tests.bench.client import Client, Reply, client
from tests.bench.measure import Figures
from tests.bench.servers import Server
from tests.bench.text import PROMPTS, TURNS, filler, fresh

PEOPLE = 4
LONG_TOKENS = 1500


@asynccontextmanager
async def warm(server: Server) -> AsyncGenerator[Client, None]:
    """A client that has asked one small thing: a server's first step is not what is measured."""
    async with client(server.url) as asking:
        await asking.ask("hi", 4)
        yield asking


async def single(server: Server, prompts: Sequence[str] = PROMPTS[:6], tokens: int = 64) -> Figures:
    """One after another."""
    async with warm(server) as asking:
        start = perf_counter()
        replies = [await asking.ask(prompt, tokens) for prompt in prompts]
        return figures(server, replies, perf_counter() - start)


async def four(server: Server) -> Figures:
    """Twelve prompts, four at any time."""
    async with warm(server) as asking:
        waiting, replies = list(PROMPTS), list[Reply]()

        async def one() -> None:
            while waiting:
                replies.append(await asking.ask(waiting.pop(0)))

        start = perf_counter()
        await asyncio.gather(*(one() for _ in range(PEOPLE)))
        return figures(server, replies, perf_counter() - start)


async def turns(server: Server) -> Figures:
    """A conversation of six turns, the whole of it sent again each time."""
    async with warm(server) as asking:
        messages, replies = list[dict[str, str]](), list[Reply]()
        start = perf_counter()
        for turn in TURNS:
            messages.append({"role": "user", "content": turn})
            replies.append(await asking.chat(messages))
            messages.append({"role": "assistant", "content": replies[-1].text})
        return figures(server, replies, perf_counter() - start)


async def long(server: Server) -> Figures:
    """Three prompts of about 1,500 tokens, each one new."""
    async with warm(server) as asking:
        prompts = [f"{fresh(LONG_TOKENS)}\nHow many words was that?" for _ in range(3)]
        start = perf_counter()
        replies = [await asking.ask(prompt, 16) for prompt in prompts]
        return figures(server, replies, perf_counter() - start)


async def echo(server: Server) -> Figures:
    """Texts to be repeated, where guessing pays."""
    texts = [filler(seed, 60) for seed in range(3)]
    prompts = [f"Repeat this text exactly, then repeat it again:\n{text}" for text in texts]
    return await single(server, prompts, 160)


def figures(server: Server, replies: Sequence[Reply], seconds: float) -> Figures:
    """`first_s` and `tok_s` are medians over the answers, `total_tok_s` is all tokens over the whole time."""
    return {
        "first_s": median(reply.first for reply in replies),
        "tok_s": median([reply.rate for reply in replies if reply.rate] or [0.0]),
        "total_tok_s": sum(reply.tokens for reply in replies) / seconds,
        "peak_mb": server.peak_mb(),
    }
