"""A wall clock that jumps by years in the middle of answers: a Raspberry Pi has no battery for its own."""

import asyncio
import random
import struct
import time
from pathlib import Path

from aiohttp import ClientSession

from tests.faults import shim
from tests.faults.fault import Fault, Tally
from tests.faults.ground import unplanned
from tests.faults.people import browser, question
from tests.page import Page, page

YEARS = 10 * 365 * 24 * 3600
CONVERSATIONS = 3
PATIENCE = 3600.0
"""Seconds without a frame that an idle socket may have."""


class JumpClock(Fault):
    """The wall clock of daemon and engine (nothing else: clock.c, preloaded) jumps by up to ten years, forth and back.

    It jumps in the middle of answers. They go on, sockets that are idle meanwhile stay, what is stored is what was
    shown, messages stand in the order in which they were said and conversations in that in which they were used. p95
    of the time from a jump to the next piece.
    """

    name, full, few, timed = "clock", 50, 4, "next piece"

    async def inflict(self, tally: Tally, tries: int) -> None:
        """One daemon, whose clock jumps again and again."""
        library, clock = shim.build("clock", self.ground.folder), self.ground.folder / "clock"
        set_off(clock, 0)
        under = ["env", f"LD_PRELOAD={library}", f"FAULT_CLOCK={clock}"]
        with self.ground.daemon("chat.max_tokens=40", under=under) as live:
            async with (
                browser() as http,
                page(http, live.url) as one,
                page(http, live.url, patience=PATIENCE) as idle,
            ):
                await one.state(phase="ready")
                listening = asyncio.create_task(_listen(idle))
                used = list[str]()
                for number in range(tries):
                    with tally.attempt():
                        await _jump(one, clock, used, tally)
                        assert not listening.done(), "the idle socket was closed"
                    self.ground.tell(f"{self.name}: {number + 1}, {tally.failures} failures")
                listening.cancel()
                for conversation in used:
                    await _in_order(one, conversation, tally)
                await _believed(http, live.url, clock, tally)
            for words in unplanned(live):
                tally.problem(words)


def set_off(clock: Path, seconds: int) -> None:
    """Let the clock be wrong by so much; the file keeps its place, it is mapped."""
    with clock.open("r+b" if clock.exists() else "wb") as file:
        file.write(struct.pack("<q", seconds))


async def _listen(idle: Page) -> None:
    """Until it is closed; whoever reads answers the server's pings."""
    while True:
        await idle.receive()


async def _jump(one: Page, clock: Path, used: list[str], tally: Tally) -> None:
    """One answer and a jump in it; `used` are the conversations, the latest last."""
    conversation = random.choice(used) if len(used) >= CONVERSATIONS else None
    said = await one.say(question(), conversation)
    if said["conversation"] in used:
        used.remove(said["conversation"])
    used.append(said["conversation"])
    await one.piece(random.randint(1, 5))
    set_off(clock, random.choice([-YEARS, 0, YEARS]) + random.randrange(86_400))
    jumped, pause = time.monotonic(), 0.0
    while (frame := await one.receive())["type"] != "done":
        assert frame["type"] != "error", frame
        pause = pause or time.monotonic() - jumped
    tally.seconds.append(pause or time.monotonic() - jumped)
    assert frame["reason"] in ("stop", "length"), frame
    stored = (await one.open(said["conversation"]))["messages"][-1]["text"]
    tally.lose(int(stored != one.text(said["answer"])), "answers stored otherwise than shown")
    await one.send("conversations", limit=200)
    listed = [each["conversation"] for each in (await one.until("listed"))["conversations"]]
    assert listed == used[::-1], "the conversations are not in the order of their use"


async def _in_order(one: Page, conversation: str, tally: Tally) -> None:
    """Question and answer in turn, in the order of their numbers."""
    messages = (await one.open(conversation))["messages"]
    ids, roles = ([each[name] for each in messages] for name in ("id", "role"))
    if ids != sorted(ids) or roles != ["user", "assistant"] * (len(roles) // 2):
        tally.problem(f"messages out of order: {ids} {roles}")


async def _believed(http: ClientSession, url: str, clock: Path, tally: Tally) -> None:
    """See to it that the daemon's clock is the one that jumps."""
    for seconds in (-YEARS, YEARS):
        set_off(clock, seconds)
        body = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
        async with http.post(f"{url}/v1/chat/completions", json=body) as response:
            told = (await response.json())["created"]
        if abs(told - time.time() - seconds) > 60:
            tally.problem(f"the daemon's clock did not jump: it says {told}")
