"""SIGSTOP of the engine: it is there and says nothing."""

import random
import time

from aiohttp import ClientSession

from bramble.engine.supervisor import PING_SECONDS, SILENCE_RUNNING
from tests.daemons import SOMEBODY, Live
from tests.faults.engine_kill import LOADED, SETTINGS
from tests.faults.fault import Fault, Tally
from tests.faults.ground import engine_of, unplanned
from tests.faults.people import question
from tests.page import Page, page

SLOWEST_STEP = 2.0
"""Seconds of the longest step that the default settings allow; the supervisor waits four times as long on top."""

PATIENCE = 60.0
"""Seconds without a frame: longer than the supervisor's."""


class StopEngine(Fault):
    """The engine is stopped by SIGSTOP at a random moment of an answer.

    The supervisor notices within the bound that daemon/README.md states (15 s and four times its slowest step),
    ends it, and the answer goes on. p95 of the pause: at most that, a restart and 2 s.
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
            load = max(map(float, LOADED.findall(live.log.read_text())))
            stated = SILENCE_RUNNING + 4 * SLOWEST_STEP + PING_SECONDS
            tally.bound("longest pause", max(tally.seconds, default=0.0), stated + load + 2, "s")
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
