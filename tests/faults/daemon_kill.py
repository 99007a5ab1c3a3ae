"""kill -9 of the daemon while people write."""

import asyncio
import random
import time
from pathlib import Path

from tests.daemons import DEADLINE, Live
from tests.faults.fault import Fault, Tally
from tests.faults.ground import texts
from tests.faults.people import Writer, acknowledged, writing

WRITERS = 4
LONGEST = 3000
"""Characters of the longest messages: the log reaches the length at which it is copied into the database."""


class KillDaemon(Fault):
    """The daemon is killed at a random moment while four people write; the next one starts on what it left.

    integrity_check says ok, every message that was acknowledged is there, and one that was said again because its
    acknowledgement never came is there once. p95: from the start of the next daemon to an open page.
    """

    name, full, few, timed = "daemon-kill", 200, 5, "start"

    async def inflict(self, tally: Tally, tries: int) -> None:
        """One state directory, so many deaths."""
        state = self.ground.new_folder()
        writers = [Writer(LONGEST * number, reads=not number) for number in range(WRITERS)]
        for number in range(tries):
            with tally.attempt():
                began = time.monotonic()
                with self.ground.daemon(state=state) as live:
                    tally.seconds.append(time.monotonic() - began)
                    await _killed(live, writers)
                check(state, writers, tally)
            if number % 20 == 19:
                self.ground.tell(f"{self.name}: {number + 1}, {tally.lost} lost")
        count = sum(len(writer.acknowledged) for writer in writers)
        tally.figures.append(f"{count:,} messages acknowledged")


async def _killed(live: Live, writers: list[Writer]) -> None:
    async with writing(writers, live.url):
        before = sum(len(writer.acknowledged) for writer in writers)
        await acknowledged(writers, before + 1, DEADLINE)
        await asyncio.sleep(random.uniform(0, 0.5))
        live.process.kill()
        live.process.wait()


def check(state: Path, writers: list[Writer], tally: Tally) -> None:
    """The database is sound and has all that was acknowledged, once. Raises AssertionError."""
    verdict, said = texts(state)
    assert verdict == "ok", verdict
    there = set(said)
    missing = sum(text not in there for writer in writers for text in writer.acknowledged)
    tally.lose(missing, "acknowledged messages")
    tally.lose(len(said) - len(there), "messages that are there twice")
