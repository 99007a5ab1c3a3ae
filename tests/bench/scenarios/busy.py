"""Answering beside busy neighbours."""

import re
from pathlib import Path

from tests.bench.hogs import hogs, may_be_nice
from tests.bench.measure import Figures, Line, Measure, Missing, Scenario, at_least, of
from tests.bench.scenarios import loads
from tests.bench.servers import bramble, llama_server
from tests.bench.shares import DEFAULT_WEIGHT, weight
from tests.bench.text import PROMPTS

OURS, UNIT, PEER = "bramble", "bramble as a service", "llama-server"
SERVICE = Path(__file__).parents[3] / "systemd/bramble.service"


class Busy(Scenario):
    """Three questions, 64 tokens each, while every core also runs a process that spins.

    Targets: twice llama-server at equal priority, 3.5 times with the priority of the systemd unit (which needs
    root here): its `LimitNICE=`, and its `CPUWeight=` beside somebody who is logged in. Measured once: llama-server
    9.9 tok/s beside such neighbours, a pinned engine 20 and, at nice -10, 39.
    """

    name = "busy"
    lines = (
        Line("equal priority, tok/s", of("tok_s", OURS), of("tok_s", PEER), at_least(2)),
        Line("the unit's priority, tok/s", of("tok_s", UNIT), of("tok_s", PEER), at_least(3.5)),
    )

    def sides(self) -> dict[str, Measure]:
        """Both servers at equal priority, and Bramble as its unit runs it."""
        return {OURS: self._ours, UNIT: self._service, PEER: self._peer}

    async def _ours(self) -> Figures:
        async with bramble(self.options) as server, hogs():
            return await loads.single(server, PROMPTS[:3])

    async def _service(self) -> Figures:
        nice, heavy = _of_unit("LimitNICE"), _of_unit("CPUWeight")
        if not may_be_nice(nice):
            raise Missing(f"priority {nice} is not permitted here: run as root")
        async with bramble(self.options, f"engine.nice={nice}") as server, hogs() as others:
            with weight([server.pid], heavy), weight(others, DEFAULT_WEIGHT):
                return await loads.single(server, PROMPTS[:3])

    async def _peer(self) -> Figures:
        async with llama_server(self.options) as server, hogs():
            return await loads.single(server, PROMPTS[:3])


def _of_unit(name: str) -> int:
    """A number in the systemd unit."""
    (value,) = re.findall(rf"^{name}=(-?\d+)$", SERVICE.read_text(), re.MULTILINE)
    return int(value)
