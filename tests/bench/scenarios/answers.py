"""The everyday loads, both servers with everything on that they have on by default."""

from collections.abc import Awaitable, Callable
from typing import ClassVar

from tests.bench.measure import Figures, Line, Measure, Scenario, at_least, of
from tests.bench.scenarios import loads
from tests.bench.servers import Server, bramble, llama_server

OURS, PEER = "bramble", "llama-server"
RATE = Line("tokens a second of one answer", of("tok_s", OURS), of("tok_s", PEER))
TOTAL = Line("tokens a second of all", of("total_tok_s", OURS), of("total_tok_s", PEER))
FIRST = Line("seconds to the first token", of("first_s", OURS), of("first_s", PEER))
MEMORY = Line("peak memory, MB", of("peak_mb", OURS), of("peak_mb", PEER))


class Load(Scenario):
    """One load on Bramble and on llama-server."""

    load: ClassVar[Callable[[Server], Awaitable[Figures]]]

    def sides(self) -> dict[str, Measure]:
        """The two servers."""
        return {OURS: self._ours, PEER: self._peer}

    async def _ours(self) -> Figures:
        async with bramble(self.options) as server:
            return await type(self).load(server)

    async def _peer(self) -> Figures:
        async with llama_server(self.options) as server:
            return await type(self).load(server)


class Single(Load):
    """Six questions one after another, 64 tokens each: how fast an answer is written to somebody alone.

    Target: as fast as llama-server with everything on that Bramble adds; same kernels, so less would be waste.
    """

    name = "single"
    lines = (RATE._replace(target=at_least(1)), FIRST, MEMORY)
    load = loads.single


class Four(Load):
    """Twelve questions from four people at once, 64 tokens each.

    Target: nobody's answer and not the sum slower than with llama-server.
    """

    name = "four"
    lines = (RATE._replace(target=at_least(1)), TOTAL._replace(target=at_least(1)), FIRST, MEMORY)
    load = loads.four


class Turns(Load):
    """One conversation of six turns, its history sent again each time, as API clients do.

    For information: both find the history in their caches.
    """

    name = "turns"
    lines = (FIRST, RATE)
    load = loads.turns


class Long(Load):
    """Three prompts of about 1,500 tokens that nobody has seen before: reading speed, and memory under it.

    For information; `ceiling` has the target of reading speed.
    """

    name = "long"
    lines = (FIRST, MEMORY)
    load = loads.long
