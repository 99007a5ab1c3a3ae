"""What Bramble writes to a card, which wears."""

import asyncio
from pathlib import Path

import psutil

from tests.faults.fault import Fault, LeftOut, Tally
from tests.faults.ground import unplanned
from tests.faults.people import browser, question
from tests.page import page

DAY = 24 * 3600
IDLE_MB, TURN_KIB = 20.0, 64.0
TOKENS = 64
"""In an answer, at most: seconds on a fast board, in which it is written behind as well."""


class Wear(Fault):
    """Turns of a conversation one after the other, then nothing for a while.

    What the kernel counts as sent to the disk by the daemon and its engine (write_bytes of /proc/PID/io) is at most
    64 KiB a turn, answers included, and 20 MB a day when nobody asks.
    """

    name, full, few, minutes, slow = "wear", 100, 4, (5.0, 0.05), True

    async def inflict(self, tally: Tally, tries: int) -> None:
        """So many turns, then so many minutes."""
        state = self.ground.new_folder()
        if _kind(state) in ("tmpfs", "ramfs"):
            raise LeftOut(f"{state} is in memory: set TMPDIR to a folder on a disk")
        with self.ground.daemon(f"chat.max_tokens={TOKENS}", state=state) as live:
            async with browser() as http, page(http, live.url) as one:
                await one.state(phase="ready")
                done, conversation = (await one.ask("Hello!"))[0], None
                before = written(live.process.pid)
                for number in range(tries):
                    with tally.attempt():
                        if number % 5 == 0:
                            conversation = None
                        said = await one.say(question(), conversation)
                        conversation = said["conversation"]
                        done = await one.until("done", answer=said["answer"])
                        assert done["reason"] in ("stop", "length"), done
                a_turn = (written(live.process.pid) - before) / tries / 1024
                tally.bound("a turn", a_turn, TURN_KIB, "KiB")
                before, seconds = written(live.process.pid), max(self.seconds, 1.0)
                await asyncio.sleep(seconds)
                idle = (written(live.process.pid) - before) / seconds * DAY / 1e6
                tally.bound(f"idle, by {seconds:.0f} s", idle, IDLE_MB, "MB a day")
            for words in unplanned(live):
                tally.problem(words)


def written(pid: int) -> int:
    """Bytes that a process and its children have had written to a disk."""
    daemon = psutil.Process(pid)
    return sum(each.io_counters().write_bytes for each in (daemon, *daemon.children()))


def _kind(folder: Path) -> str:
    """The kind of file system that a folder is on."""
    mounts = [
        each for each in psutil.disk_partitions(all=True) if folder.is_relative_to(each.mountpoint)
    ]
    return max(mounts, key=lambda each: len(each.mountpoint)).fstype if mounts else ""
