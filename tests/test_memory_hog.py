"""Four people chat while a neighbour takes all memory in steps, for real: a real engine, a real hog, a real limit.

The short form, with the fake engine and a board that the test writes, is in `test_guards`.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
from aiohttp import ClientSession

from bramble.board.guard import SETTLE
from tests.daemons import Live
from tests.groups import Group, limited
from tests.hog import Hog
from tests.page import Frame, Page, page

MEGABYTES = 1000
SECONDS = 120.0
STAYS = 30.0
"""Seconds at the same load, at each step: nothing more may change."""
QUESTION = "Tell me a long story about a lighthouse and the people who keep it."
RUNNING_OUT = ["memory_tight", "memory_critical", "slots_dropped", "model_unloaded"]
COMING_BACK = ["model_returns", "slots_return", "answers_return", None]
FEELS_FREE = 2.0
"""Seconds that a person waits before the next try."""


class Told(NamedTuple):
    """A change of the guards as a page was told it; no code when all is well again."""

    at: float
    code: str | None
    sentence: str


@dataclass
class Tally:
    """What happened to the four: answers that ended whole, and refusals with their reasons."""

    whole: int = 0
    refused: list[Frame] = field(default_factory=list[Frame])


class Appliance(NamedTuple):
    """What the test looks at and moves."""

    live: Live
    group: Group
    hog: Hog
    told: list[Told]
    tally: Tally

    def leave_free(self, share: float) -> None:
        """Let the hog take or give back until this part of the group is free, as the guards count it."""
        self.hog.hold(self.hog.held + int(self.group.free - share * self.group.limit))

    async def until(self, fits: Callable[[], bool]) -> None:
        async with asyncio.timeout(SECONDS):
            while not fits():
                await asyncio.sleep(0.05)

    async def reaches(self, code: str | None) -> None:
        await self.until(lambda: bool(self.told) and self.told[-1].code == code)

    async def stays(self, code: str | None) -> None:
        """The same load for a while: nothing changes once this was told."""
        await self.reaches(code)
        before = len(self.told)
        await asyncio.sleep(STAYS)
        assert len(self.told) == before, self.told[before:]


async def observe(one: Page, told: list[Told]) -> None:
    """Whatever a page is told of the guards, once each."""
    last: Frame | None = None
    async for message in one.socket:
        frame: Frame = message.json()
        if frame["type"] != "state":
            continue
        if (guard := frame["guard"]) != last:
            last = guard
            code, sentence = (guard["code"], guard["sentence"]) if guard else (None, "")
            told.append(Told(time.monotonic(), code, sentence))


async def chat(one: Page, tally: Tally) -> None:
    """Ask for ever; who is refused tries again."""
    while True:
        said = await one.say(QUESTION)
        end = await ended(one, said["answer"])
        if end["type"] == "done":
            assert end["reason"] in ("stop", "length"), end
            assert one.text(said["answer"])
            tally.whole += 1
        else:
            tally.refused.append(end)
            await asyncio.sleep(FEELS_FREE)


async def ended(one: Page, answer: int) -> Frame:
    async with asyncio.timeout(SECONDS):
        async for message in one.socket:
            frame: Frame = message.json()
            one.frames.append(frame)
            if frame.get("answer") == answer and frame["type"] in ("done", "error"):
                return frame
    raise AssertionError("the socket was closed")


@asynccontextmanager
async def appliance(model: Path, state_dir: Path) -> AsyncGenerator[Appliance]:
    """A daemon and a hog in one group; somebody watches the page, four others chat."""
    settings = [f"engine.model={model}", "chat.max_tokens=120"]
    async with AsyncExitStack() as stack:
        group = stack.enter_context(limited(MEGABYTES))
        live = Live(state_dir, *settings, under=group.enter)
        stack.callback(live.end)
        hog = stack.enter_context(Hog(group.enter))
        http = await stack.enter_async_context(ClientSession())
        pages = [await stack.enter_async_context(page(http, live.url)) for _ in range(5)]
        await pages[0].state(phase="ready")
        this = Appliance(live, group, hog, [], Tally())
        tasks = [asyncio.create_task(observe(pages[0], this.told))]
        tasks += [asyncio.create_task(chat(each, this.tally)) for each in pages[1:]]
        yield this
        for task in tasks:
            assert not task.done(), task
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_a_hog_comes_and_goes_while_four_people_chat(starter: Path, tmp_path: Path) -> None:
    async with appliance(starter, tmp_path) as this:
        daemon = psutil.Process(this.live.process.pid)
        await this.until(lambda: this.tally.whole >= 4)
        this.leave_free(0.30)
        whole = this.tally.whole
        await this.until(lambda: this.tally.whole >= whole + 4)
        assert this.told == [] and not this.tally.refused
        this.leave_free(0.08)
        await this.stays("memory_tight")
        assert not this.tally.refused, "while it is tight everybody is answered"
        this.leave_free(0.04)
        await this.reaches("slots_dropped")
        this.leave_free(0.04)  # what they gave back is taken as well
        await this.stays("model_unloaded")
        assert not daemon.children(), "its memory is free"
        refused, whole = len(this.tally.refused), this.tally.whole
        assert refused
        this.hog.hold(0)
        await this.stays(None)
        await this.until(lambda: this.tally.whole >= whole + 4)
        later = this.tally.refused[-1]
        assert this.group.killed == 0
        told, log = this.told, this.live.log.read_text()
    assert [each.code for each in told] == [*RUNNING_OUT, *COMING_BACK]
    for before, after in pairwise(told):
        assert after.at - before.at >= SETTLE - 1 or after.code == "memory_critical"
    for each in this.tally.refused:
        assert each["code"] == "recovering" and each["message"] and each["retry_after"] > 0
    for each in told:
        assert log.count(each.sentence) >= 1
    print(
        f"\n{this.tally.whole} answers whole, {len(this.tally.refused)} refused; last: {later['message']}"
    )
    for each in told:
        print(f"{each.at - told[0].at:6.1f} s  {each.code or 'calm'}: {each.sentence}")
