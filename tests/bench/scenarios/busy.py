"""Answering beside busy neighbours."""

from functools import partial

from tests.bench.hogs import hogs, may_be_nice
from tests.bench.measure import Figures, Line, Measure, Missing, Scenario, at_least, of
from tests.bench.scenarios import loads
from tests.bench.servers import bramble, llama_server
from tests.bench.text import PROMPTS

OURS, NICE, PEER = "bramble", "bramble, nice -10", "llama-server"
UNIT_NICE = -10
"""The priority that the systemd unit gives to the engine."""


class Busy(Scenario):
    """Three questions, 64 tokens each, while every core also runs a process that spins.

    Targets: twice llama-server at equal priority, 3.5 times with the priority of the systemd unit (which needs
    root here). Measured once: llama-server 9.9 tok/s beside such neighbours, a pinned engine 20 and, at nice -10, 39.
    """

    name = "busy"
    lines = (
        Line("equal priority, tok/s", of("tok_s", OURS), of("tok_s", PEER), at_least(2)),
        Line("the unit's priority, tok/s", of("tok_s", NICE), of("tok_s", PEER), at_least(3.5)),
    )

    def sides(self) -> dict[str, Measure]:
        """Both servers at equal priority, and Bramble as its unit runs it."""
        return {
            OURS: partial(self._ours, 0),
            NICE: partial(self._ours, UNIT_NICE),
            PEER: self._peer,
        }

    async def _ours(self, nice: int) -> Figures:
        if nice and not may_be_nice(nice):
            raise Missing(f"priority {nice} is not permitted here: run as root")
        async with bramble(self.options, f"engine.nice={nice}") as server, hogs():
            return await loads.single(server, PROMPTS[:3])

    async def _peer(self) -> Figures:
        async with llama_server(self.options) as server, hogs():
            return await loads.single(server, PROMPTS[:3])
