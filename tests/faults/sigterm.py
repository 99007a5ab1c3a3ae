"""SIGTERM while people write and read."""

import asyncio
import random
import time

import psutil

from bramble.chat.file import DATABASE
from tests.daemons import DEADLINE, Live
from tests.faults.daemon_kill import check
from tests.faults.fault import Fault, Tally
from tests.faults.ground import unplanned
from tests.faults.people import Writer, acknowledged, writing

READERS, HASTY = 6, 2
STOP_SECONDS = 10.0


class Terminate(Fault):
    """SIGTERM at a random moment while six people are answered or wait and two more write.

    The daemon leaves by itself with status 0 within 10 s (later somebody would send SIGKILL), its engine is gone with
    it, and every message that was acknowledged is stored. p95 of the time to leave.
    """

    name, full, few, timed = "sigterm", 100, 1, "leaving"

    async def inflict(self, tally: Tally, tries: int) -> None:
        """One state directory, so many stops."""
        state, forced = self.ground.new_folder(), 0
        writers = [Writer(reads=number >= HASTY) for number in range(READERS + HASTY)]
        for number in range(tries):
            with tally.attempt(), self.ground.daemon("chat.max_tokens=300", state=state) as live:
                forced += await _stopped(live, writers, tally)
                check(state, writers, tally)
                assert not (state / f"{DATABASE}-wal").exists(), "the database was not closed"
                assert not (words := unplanned(live)), words
            if number % 10 == 9:
                self.ground.tell(f"{self.name}: {number + 1}, {tally.failures} failures")
        tally.bound("longest", max(tally.seconds, default=0.0), STOP_SECONDS, "s")
        tally.bound("SIGKILLs", forced, 0, "")


async def _stopped(live: Live, writers: list[Writer], tally: Tally) -> bool:
    """Stop a daemon that has a lot to do. Returns whether it had to be forced."""
    parts = [psutil.Process(live.process.pid)]
    async with writing(writers, live.url):
        before = sum(len(writer.acknowledged) for writer in writers)
        await acknowledged(writers, before + READERS, DEADLINE)
        await asyncio.sleep(random.uniform(0, 2))
        parts += parts[0].children(recursive=True)
        began = time.monotonic()
        live.process.terminate()
        try:
            code = await asyncio.to_thread(live.process.wait, 2 * STOP_SECONDS)
        except Exception:
            live.process.kill()
            return True
        tally.seconds.append(time.monotonic() - began)
    assert code == 0, f"exit status {code}"
    left = [part for part in parts[1:] if part.is_running()]
    assert not left, left
    return False
