"""SIGSTOP of the engine: it is there and says nothing."""

import random
import re
import time

from aiohttp import ClientSession

from tests.daemons import SOMEBODY, Live
from tests.faults.engine_kill import LOADED, SETTINGS
from tests.faults.fault import Fault, Tally
from tests.faults.ground import engine_of, unplanned
from tests.faults.people import question
from tests.page import Page, page

NOTICED = re.compile(r"silent for ([0-9]+) s; ending it")
BEYOND = 4.0
"""Seconds of a pause that are neither patience nor load: a look a second, an end, a start."""

PATIENCE = 60.0
"""Seconds without a frame: longer than the supervisor's."""


class StopEngine(Fault):
    """The engine is stopped by SIGSTOP at a random moment of an answer.

    The supervisor notices within the bound that daemon/README.md states (15 s and four times the engine's slowest
    step, which its log tells), ends it, and the answer goes on. No pause is longer than that, the load, and 4 s.
    """

    name, full, few, timed, slow = "engine-stop", 20, 1, "pause", True

    async def inflict(self, tally: Tally, tries: int) -> None:
        """One answer after the other, each with a hang."""
        with self.ground.daemon(*SETTINGS) as live:
            async with (
                ClientSession(headers=SOMEBODY) as http,
                page(http, live.url, patience=PATIENCE) as one,
            ):
                for number in range(tries):
                    with tally.attempt():
                        await _hang(live, one, tally)
                    self.ground.tell(f"{self.name}: {number + 1}, {tally.failures} failures")
            log = live.log.read_text()
            patience = [float(seconds) for seconds in NOTICED.findall(log)] or [0.0]
            load = max(float(seconds) for seconds in LOADED.findall(log))
            tally.figures.append(f"noticed after {min(patience):.0f} to {max(patience):.0f} s")
            bound = max(patience) + load + BEYOND
            tally.bound("longest", max(tally.seconds, default=bound + 1), bound, "s")
            for words in unplanned(live):
                tally.problem(words)


async def _hang(live: Live, one: Page, tally: Tally) -> None:
    await one.state(phase="ready")
    said = await one.say(question())
    await one.piece(random.randint(1, 12))
    engine = engine_of(live)
    engine.suspend()
    stopped, pause, paused = time.monotonic(), 0.0, False
    while (frame := await one.receive())["type"] != "done":
        assert frame["type"] != "error", frame
        paused |= frame["type"] == "paused"
        if frame["type"] == "piece" and paused and not pause:
            pause = time.monotonic() - stopped
    assert paused, "the answer was over before the engine was stopped"
    assert not engine.is_running(), "the stopped engine is still there"
    tally.seconds.append(pause or time.monotonic() - stopped)
    shown = one.text(said["answer"])
    stored = (await one.open(said["conversation"]))["messages"][-1]["text"]
    tally.lose(int(stored != shown), "answers stored otherwise than they were shown")
