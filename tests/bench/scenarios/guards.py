"""What the guards cost: while an answer streams, and while nothing happens."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import psutil

from tests.bench.measure import Figures, Line, Measure, Scenario, at_least, at_most, of
from tests.bench.scenarios import loads
from tests.bench.servers import BRAMBLE, Server, bramble
from tests.bench.text import PROMPTS

ON, OFF = "guards", "none"
UNGUARDED = ("-m", "tests.bench.unguarded")
TOKENS = 128
REST_SECONDS = 60.0
REST_CORES = 0.005
"""Cores that the whole daemon may use while nothing happens."""


class Guards(Scenario):
    """Four answers of 128 tokens with the guards and without.

    Target: less than 1 % of the speed. Single rounds differ by more: take eight or more.
    """

    name = "guards"
    lines = (
        Line("tokens a second of one answer", of("tok_s", ON), of("tok_s", OFF), at_least(0.99)),
    )

    def sides(self) -> dict[str, Measure]:
        """The default, and a daemon that never looks."""
        return _sides(self, partial(loads.single, prompts=PROMPTS[:4], tokens=TOKENS))


class Rest(Scenario):
    """A minute in which nobody asks anything: cores that the daemon uses, all that it does included.

    Target: half a percent of a core.
    """

    name = "rest"
    lines = (
        Line("cores, to those allowed", of("cores", ON), of("allowed_cores", ON), at_most(1)),
        Line("cores", of("cores", ON), of("cores", OFF)),
    )
    most_rounds = 1

    def sides(self) -> dict[str, Measure]:
        """The default, and a daemon that never looks."""
        return _sides(self, _rest)


def _sides(scenario: Scenario, load: Callable[[Server], Awaitable[Figures]]) -> dict[str, Measure]:
    async def one(program: tuple[str, ...]) -> Figures:
        async with bramble(scenario.options, program=program) as server:
            return await load(server)

    return {ON: partial(one, BRAMBLE), OFF: partial(one, UNGUARDED)}


async def _rest(server: Server) -> Figures:
    """Of the daemon itself; its engine waits in the kernel."""
    daemon = psutil.Process(server.pid)
    before = daemon.cpu_times()
    await asyncio.sleep(REST_SECONDS)
    after = daemon.cpu_times()
    used = after.user + after.system - before.user - before.system
    return {"cores": used / REST_SECONDS, "allowed_cores": REST_CORES}
