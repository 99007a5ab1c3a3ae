"""An hour of everything at a gentle rate: what grows?"""

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import suppress

import psutil

from tests.daemons import Live
from tests.faults.fault import BROKEN, Fault, Tally
from tests.faults.ground import engine_of, unplanned
from tests.faults.household import Household
from tests.faults.people import browser

WARM = 1 / 6
"""The part of the time after which memory may not grow any more: 10 minutes of an hour."""
GROWTH = 1.0
"""MB an hour that may be noise; more is a leak."""
EVERY, LOOK = 1.5, 5.0
"""Seconds between two things that are done, and between two looks at the memory."""
SETTINGS = ("chat.max_tokens=24", "engine.context=2048", "engine.threads=1", "engine.nice=5")
LONG_PROMPTS = 8
"""So many that they fill the cache and `engine.aside` twice."""
SETTLES, ALIKE, REST = 15, 3, 3.0
"""Looks at settled memory, the long prompts before each that leave the same kept each time, and the seconds between
these and the look."""
FIRST = 600
"""Things done without a pause after those, until the engine's memory of conversations is full, too."""


class Soak(Fault):
    """Mixed load for an hour: conversations, edits, new answers, stops, searches, exports, streams that are dropped,
    broken frames and bodies, sockets that come and go.

    It begins with prompts and things done without a pause, which fill whatever may be kept. After ten minutes more the
    daemon and its engine grow by at most 1 MB an hour, and neither holds more descriptors at the end than then.

    What the engine keeps of conversations comes and goes, tens of MB at once within `engine.aside`, so growth is
    measured where the same is kept: every four minutes after long prompts that are always alike. It is the slope of a
    line through these looks at the memory that a process holds itself; pages of mapped files come and go as the kernel
    likes.
    """

    name, full, few, minutes, slow = "soak", 1, 1, (60.0, 1.0), True

    async def inflict(self, tally: Tally, tries: int) -> None:
        """One hour, or as long as was asked for."""
        with self.ground.daemon(*SETTINGS) as live:
            seen = Seen(live)
            async with browser() as http:
                household = Household(http, live.url)
                await _fill(live, household, tally, round(FIRST * min(self.seconds / 3600, 1)))
                watching = asyncio.create_task(seen.watch(self.seconds))
                with tally.attempt():
                    await _mixed(live, household, self.seconds, tally, seen, self.ground.tell)
            await watching
            for words in unplanned(live):
                tally.problem(words)
        start = WARM * self.seconds
        warm = [each for each in seen.samples if each["at"] > start]
        settled = [each for each in seen.settled if each["at"] > start]
        for who in ("daemon", "engine"):
            slope = growth([(each["at"], each[f"{who}_mb"]) for each in settled])
            held = f"{settled[0][f'{who}_mb']:.1f} to {settled[-1][f'{who}_mb']:.1f} MB"
            tally.figures.append(f"{who}: {slope:+.2f} MB an hour after warming up, {held}")
            if self.seconds >= 3000 and slope > GROWTH:
                tally.problem(f"{who}: {slope:+.2f} MB an hour")
            first, last = (_middle(part, f"{who}_files") for part in (warm[:12], warm[-12:]))
            tally.bound(f"{who}: descriptors more", last - first, 0, "")
        tally.series = [{**each, "settled": 0} for each in seen.samples]
        tally.series += [{**each, "settled": 1} for each in seen.settled]


def growth(samples: list[tuple[float, float]]) -> float:
    """The slope of the line through these (seconds, MB), in MB an hour (least squares)."""
    middle = sum(at for at, _ in samples) / len(samples)
    mean = sum(value for _, value in samples) / len(samples)
    spread = sum((at - middle) ** 2 for at, _ in samples)
    return 3600 * sum((at - middle) * (value - mean) for at, value in samples) / (spread or 1.0)


def _middle(samples: list[dict[str, float]], name: str) -> float:
    values = sorted(each[name] for each in samples)
    return values[len(values) // 2]


async def _fill(live: Live, household: Household, tally: Tally, times: int) -> None:
    """Have both processes use all that they may keep: what grows afterwards is no cache that fills."""
    await asyncio.to_thread(live.until_ready)
    for number in range(LONG_PROMPTS):
        await household.asks_at_length(number)
    for _ in range(times):
        await _something(household, tally)


class Seen:
    """Memory and descriptors of both processes: again and again, and each time the same is kept.

    Connections of clients that are there now do not count: how many these are says nothing.
    """

    def __init__(self, live: Live) -> None:
        self._live, self._began = live, time.monotonic()
        self.samples = list[dict[str, float]]()
        self.settled = list[dict[str, float]]()

    async def watch(self, seconds: float) -> None:
        """From now on, for so long."""
        self._began = time.monotonic()
        while time.monotonic() - self._began < seconds:
            with suppress(psutil.Error, AssertionError):
                self.samples.append(self._look())
            await asyncio.sleep(LOOK)

    async def settle(self, household: Household) -> None:
        """Have the engine keep the same as each time, and look."""
        for number in range(ALIKE):
            await household.asks_at_length(number)
        await asyncio.sleep(REST)
        self.settled.append(self._look())

    def _look(self) -> dict[str, float]:
        parts = {"daemon": psutil.Process(self._live.process.pid), "engine": engine_of(self._live)}
        sample = {"at": time.monotonic() - self._began}
        for name, part in parts.items():
            memory = part.memory_info()
            sample[f"{name}_mb"] = (memory.rss - memory.shared) / 1e6
            sample[f"{name}_resident_mb"] = memory.rss / 1e6
            there = [each.status for each in part.net_connections("tcp")].count("ESTABLISHED")
            sample[f"{name}_files"] = part.num_fds() - there
        return sample


async def _mixed(
    live: Live,
    household: Household,
    seconds: float,
    tally: Tally,
    seen: Seen,
    tell: Callable[[str], None],
) -> None:
    began, done, told, settled = time.monotonic(), 0, 0, 0
    between = max(seconds / SETTLES, 5.0)
    while (at := time.monotonic() - began) < seconds:
        await _something(household, tally)
        done += 1
        if at // between > settled:
            settled = at // between
            await seen.settle(household)
        assert live.process.poll() is None, "the daemon is gone"
        if at // 300 > told:
            told = at // 300
            words = ", ".join(f"{name} {value:.1f}" for name, value in seen.samples[-1].items())
            tell(f"soak: {done} things done, {len(tally.problems)} problems, {words}")
        await asyncio.sleep(random.uniform(0, 2 * EVERY))
    tally.figures.append(f"{done:,} things done")


async def _something(household: Household, tally: Tally) -> None:
    did = random.choice(household.habits)
    try:
        await did()
    except BROKEN as error:
        tally.problem(f"{did.__name__}: {type(error).__name__} {error}"[:300])
