"""One person's long document beside three other people's answers."""

import asyncio
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import pairwise

from tests.bench.client import Client, Reply
from tests.bench.measure import Failed, Figures, Line, Measure, Scenario, at_most, of
from tests.bench.scenarios.loads import warm
from tests.bench.servers import Server, bramble, llama_server
from tests.bench.text import PROMPTS, fresh
from tests.bench.verdict import percentile

OURS, SMALL, PEER = "bramble", "llama-server -b 128 -ub 128", "llama-server"
DOCUMENT_TOKENS = 1900
"""About 2,000 with what is asked about it; a slot of llama-server has 2,048 (-c 8192 -np 4)."""
STORIES = PROMPTS[2::2]
"""Those whose answers are long."""
STREAM_TOKENS = 512
UNDER_WAY = 8
"""Pieces that each of the three has got when the fourth asks."""
START_SECONDS = 120.0


class Fairness(Scenario):
    """Three people are being answered when a fourth sends about 2,000 tokens that nobody has seen: the gaps between the
    three's pieces from then until the fourth's first token, and that first token.

    Targets: the p95 gap at most 0.35 of llama-server's with -b 128 -ub 128 (measured once: 1.1 s; as it comes it
    freezes everyone for 11.5 s), and the fourth's first token at most 1.3 times llama-server's as it comes.
    """

    name = "fairness"
    lines = (
        Line("p95 gap of the three, s", of("gap_s", OURS), of("gap_s", SMALL), at_most(0.35)),
        Line(
            "first token of the fourth, s", of("fourth_s", OURS), of("fourth_s", PEER), at_most(1.3)
        ),
        Line("p95 gap beside its default, s", of("gap_s", OURS), of("gap_s", PEER)),
    )

    def sides(self) -> dict[str, Measure]:
        """Bramble, and llama-server with small and with its own batches."""
        small = partial(self._peer, "-b", "128", "-ub", "128")
        return {OURS: self._ours, SMALL: small, PEER: self._peer}

    async def _ours(self) -> Figures:
        async with bramble(self.options) as server:
            return await _crowd(server)

    async def _peer(self, *arguments: str) -> Figures:
        async with llama_server(self.options, *arguments) as server:
            return await _crowd(server)


async def _crowd(server: Server) -> Figures:
    async with warm(server) as asking:
        replies = [list[Reply]() for _ in range(3)]
        people = [
            asyncio.create_task(_person(asking, mine, STORIES[number:]))
            for number, mine in enumerate(replies)
        ]
        try:
            await _under_way(people, replies)
            fourth = await asking.ask(f"{fresh(DOCUMENT_TOKENS)}\nHow many words was that?", 16)
        finally:
            for task in people:
                task.cancel()
            ended = await asyncio.gather(*people, return_exceptions=True)
    for problem in ended:
        if isinstance(problem, Exception):
            raise problem
    waits = list(gaps((reply.at for mine in replies for reply in mine), fourth.sent, fourth.at[0]))
    if not waits:
        raise Failed("none of the three was being answered while the fourth waited")
    return {"gap_s": percentile(waits, 0.95), "fourth_s": fourth.first}


async def _person(asking: Client, replies: list[Reply], prompts: Sequence[str]) -> None:
    """One question after another, for as long as it takes."""
    while True:
        for prompt in prompts:
            replies.append(Reply())
            await asking.ask(prompt, STREAM_TOKENS, replies[-1])


async def _under_way(people: Sequence[asyncio.Task[None]], replies: Sequence[list[Reply]]) -> None:
    async with asyncio.timeout(START_SECONDS):
        while not all(mine and len(mine[-1].at) >= UNDER_WAY for mine in replies):
            if any(task.done() for task in people):
                return  # its error is raised where the tasks are gathered
            await asyncio.sleep(0.01)


def gaps(answers: Iterable[Sequence[float]], start: float, end: float) -> Iterable[float]:
    """Seconds between neighbouring pieces of an answer, where any of that time lies between `start` and `end`."""
    for at in answers:
        for before, after in pairwise(at):
            if after > start and before < end:
                yield after - before
