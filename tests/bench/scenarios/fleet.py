"""Three boards behind a balancer beside one board behind it."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from time import perf_counter
from urllib.parse import urlsplit

from tests.bench.client import Reply, client
from tests.bench.measure import Figures, Line, Measure, Missing, Scenario, at_least, of
from tests.bench.scenarios.loads import figures
from tests.bench.servers import Server, bramble
from tests.bench.shares import share
from tests.bench.text import PROMPTS
from tests.daemons import free_port
from tests.fleet import HAPROXY, Place, balancer

THREE, ONE = "three replicas", "one replica"
PEOPLE, QUESTIONS, TOKENS = 12, 36, 32


class Fleet(Scenario):
    """Twelve people ask 36 questions of three replicas behind HAProxy, then of one behind it. Each replica has one
    thread and 0.3 of the same core, as three boards would on one machine.

    Target: at least 2.7 times as many tokens a second; what is missing to 3 is what the balancer shares badly.
    """

    name = "fleet"
    lines = (
        Line(
            "tokens a second of all",
            of("total_tok_s", THREE),
            of("total_tok_s", ONE),
            at_least(2.7),
        ),
    )

    def sides(self) -> dict[str, Measure]:
        """As many replicas."""
        return {THREE: partial(self._of, 3), ONE: partial(self._of, 1)}

    async def _of(self, count: int) -> Figures:
        if HAPROXY is None:
            raise Missing("there is no haproxy")
        options = replace(self.options, threads=1)
        async with AsyncExitStack() as stack:
            places, servers = list[Place](), list[Server]()
            for number in range(count):
                asked = free_port()
                settings = (f"server.agent_port={asked}", "server.trusted_proxies=[127.0.0.1/32]")
                server = await stack.enter_async_context(bramble(options, *settings))
                stack.enter_context(share(server.pid))
                port = urlsplit(server.url).port
                assert port is not None
                places.append(Place(f"pi{number}", port, asked))
                servers.append(server)
            folder = options.folder / f"front-{free_port()}"
            folder.mkdir()
            front = await stack.enter_async_context(balancer(folder, places))
            for place in places:
                await front.until(place.name, "UP")
            return await _crowd(Server(front.url, servers[0].pid))


async def _crowd(server: Server) -> Figures:
    async with client(server.url) as asking:
        # None twice: what one replica has read already, one of three may not have.
        waiting = [f"{n}. {PROMPTS[n % len(PROMPTS)]}" for n in range(QUESTIONS)]
        replies = list[Reply]()

        async def one() -> None:
            while waiting:
                replies.append(await asking.ask(waiting.pop(0), TOKENS))

        start = perf_counter()
        await asyncio.gather(*(one() for _ in range(PEOPLE)))
        return figures(server, replies, perf_counter() - start)
