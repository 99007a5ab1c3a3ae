"""An hour of everything at a gentle rate: what grows?"""

import asyncio
import random
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress

import psutil
from aiohttp import ClientSession, ClientTimeout

from tests.daemons import Live
from tests.faults.fault import BROKEN, Fault, Tally
from tests.faults.ground import engine_of, unplanned
from tests.faults.people import browser, question
from tests.page import Page, page

WARM = 1 / 6
"""The part of the time after which memory may not grow any more: 10 minutes of an hour."""
GROWTH = 1.0
"""MB an hour that may be noise; more is a leak."""
PATIENCE = 300.0
"""Seconds for an answer at the lowest priority, beside whatever else the machine does."""
EVERY, LOOK = 1.5, 5.0
"""Seconds between two things that are done, and between two looks at the memory."""
KEPT = 20
"""Conversations that stay; older ones are deleted, so the database does not grow either."""
SETTINGS = ("chat.max_tokens=24", "engine.context=2048", "engine.threads=1", "engine.nice=5")
LONG_PROMPTS, QUESTIONS = 8, 80
"""Prompts of about 1,700 tokens, so many that they fill the cache and `engine.aside` twice."""
FIRST = 600
"""Things done without a pause after those, until the engine's memory of conversations is full, too."""
FRAMES: tuple[str, ...] = (
    "nonsense",
    "[" * 5000,
    '{"type":"say","ref":"x","text":""}',
    '{"type":"resume","answer":1,"after":0}',
    '{"type":"stop","answer":7}',
)


class Soak(Fault):
    """Mixed load for an hour: conversations, edits, new answers, stops, searches, exports, streams that are dropped,
    broken frames and bodies, sockets that come and go.

    It begins with prompts and things done without a pause, which fill whatever may be kept. After ten minutes more the
    daemon and its engine grow by at most 1 MB an hour (the slope of a line through all samples of the memory that they
    hold themselves; pages of mapped files come and go as the kernel likes), and neither holds more descriptors at the
    end than then.
    """

    name, full, few, minutes, slow = "soak", 1, 1, (60.0, 1.0), True

    async def inflict(self, tally: Tally, tries: int) -> None:
        """One hour, or as long as was asked for."""
        with self.ground.daemon(*SETTINGS) as live:
            samples = list[dict[str, float]]()
            async with browser() as http:
                household = Household(http, live.url)
                await _fill(live, household, tally, round(FIRST * min(self.seconds / 3600, 1)))
                watching = asyncio.create_task(_watch(live, self.seconds, samples))
                with tally.attempt():
                    await _mixed(live, household, self.seconds, tally, samples, self.ground.tell)
            await watching
            for words in unplanned(live):
                tally.problem(words)
        warm = [each for each in samples if each["at"] > WARM * self.seconds]
        for who in ("daemon", "engine"):
            slope = growth([(each["at"], each[f"{who}_mb"]) for each in warm])
            figure = (
                f"{who}: {slope:+.2f} MB an hour after warming up, {warm[-1][f'{who}_mb']:.1f} MB"
            )
            tally.figures.append(figure)
            if self.seconds >= 3000 and slope > GROWTH:
                tally.problem(f"{who}: {slope:+.2f} MB an hour")
            first, last = (_middle(part, f"{who}_files") for part in (warm[:12], warm[-12:]))
            tally.bound(f"{who}: descriptors more", last - first, 0, "")
        tally.series = samples


def growth(samples: list[tuple[float, float]]) -> float:
    """The slope of the line through these (seconds, MB), in MB an hour (least squares)."""
    middle = sum(at for at, _ in samples) / len(samples)
    mean = sum(value for _, value in samples) / len(samples)
    spread = sum((at - middle) ** 2 for at, _ in samples)
    return 3600 * sum((at - middle) * (value - mean) for at, value in samples) / (spread or 1.0)


def _middle(samples: list[dict[str, float]], name: str) -> float:
    values = sorted(each[name] for each in samples)
    return values[len(values) // 2]


async def _fill(live: Live, household: "Household", tally: Tally, times: int) -> None:
    """Have both processes use all that they may keep: what grows afterwards is no cache that fills."""
    await asyncio.to_thread(live.until_ready)
    for _ in range(LONG_PROMPTS):
        await household.asks_at_length()
    for _ in range(times):
        await _something(household, tally)


async def _watch(live: Live, seconds: float, samples: list[dict[str, float]]) -> None:
    """Memory and descriptors of both processes, again and again."""
    began = time.monotonic()
    while (at := time.monotonic() - began) < seconds:
        with suppress(psutil.Error, AssertionError):
            parts = {"daemon": psutil.Process(live.process.pid), "engine": engine_of(live)}
            sample = {"at": at}
            for name, part in parts.items():
                memory = part.memory_info()
                sample[f"{name}_mb"] = (memory.rss - memory.shared) / 1e6
                sample[f"{name}_resident_mb"] = memory.rss / 1e6
                sample[f"{name}_files"] = part.num_fds()
            samples.append(sample)
        await asyncio.sleep(LOOK)


async def _mixed(
    live: Live,
    household: "Household",
    seconds: float,
    tally: Tally,
    samples: Sequence[Mapping[str, float]],
    tell: Callable[[str], None],
) -> None:
    began, done, told = time.monotonic(), 0, 0
    while (at := time.monotonic() - began) < seconds:
        await _something(household, tally)
        done += 1
        assert live.process.poll() is None, "the daemon is gone"
        if at // 300 > told:
            told = at // 300
            words = ", ".join(f"{name} {value:.1f}" for name, value in samples[-1].items())
            tell(f"soak: {done} things done, {len(tally.problems)} problems, {words}")
        await asyncio.sleep(random.uniform(0, 2 * EVERY))
    tally.figures.append(f"{done:,} things done")


async def _something(household: "Household", tally: Tally) -> None:
    did = random.choice(household.habits)
    try:
        await did()
    except BROKEN as error:
        tally.problem(f"{did.__name__}: {type(error).__name__} {error}"[:300])


class Household:
    """One browser, its conversations, and all that people do with them."""

    def __init__(self, http: ClientSession, url: str) -> None:
        self._http, self._url = http, url
        self._conversations: list[str] = []
        self._open: str | None = None
        self.habits: list[Callable[[], Awaitable[None]]] = [
            self.begins,
            self.goes_on,
            self.goes_on,
            self.stops,
            self.comes_back,
            self.asks_anew,
            self.edits,
            self.looks_around,
            self.exports,
            self.streams,
            self.leaves_a_stream,
            self.talks_nonsense,
            self.sends_bad_bodies,
            self.types,
        ]

    async def asks_at_length(self) -> None:
        text = " ".join(question() for _ in range(QUESTIONS))
        body = {"messages": [{"role": "user", "content": text}], "max_tokens": 1}
        async with self._http.post(f"{self._url}/v1/chat/completions", json=body) as response:
            assert response.status == 200, await response.text()

    async def begins(self) -> None:
        async with self._page() as one:
            await self._told(one, None)
            while len(self._conversations) > KEPT:
                old = self._conversations.pop(0)
                await one.send("delete", conversation=old)
                await one.until("deleted", conversation=old)

    async def goes_on(self) -> None:
        async with self._page() as one:
            await self._told(one, self._any())

    async def stops(self) -> None:
        async with self._page() as one:
            said = await one.say(question(), self._any(), uuid.uuid4().hex)
            await one.piece()
            await one.send("stop", answer=said["answer"])
            await one.until("done", answer=said["answer"])

    async def comes_back(self) -> None:
        async with self._page() as one:
            said = await one.say(question(), self._any(), uuid.uuid4().hex)
            n = (await one.piece())["n"]
            one.vanish()
        async with self._page() as one:
            await one.send("resume", answer=said["answer"], after=n)
            await one.until("done", answer=said["answer"])

    async def asks_anew(self) -> None:
        async with self._page() as one:
            if shown := await self._shown(one):
                await one.send("regenerate", message=shown[-1]["id"], conversation=self._open)
                await one.until("done")

    async def edits(self) -> None:
        async with self._page() as one:
            if shown := await self._shown(one):
                where = {"message": shown[0]["id"], "conversation": self._open}
                await one.send("edit", ref=uuid.uuid4().hex, text=question(), **where)
                await one.until("done")

    async def looks_around(self) -> None:
        async with self._page() as one:
            await one.send("conversations", limit=20)
            await one.until("listed")
            await one.send("search", query=random.choice(["story", "moon", "th"]))
            await one.until("found")
        for path in ("/", "/healthz", "/metrics", "/v1/models", "/none"):
            async with self._http.get(self._url + path) as response:
                await response.read()

    async def exports(self) -> None:
        if id := self._any():
            address = f"{self._url}/api/conversations/{id}/export?format=json"
            async with self._http.get(address) as response:
                assert response.status == 200
                await response.read()

    async def streams(self) -> None:
        async with self._http.post(f"{self._url}/v1/chat/completions", json=_body()) as response:
            assert response.status == 200
            await response.read()

    async def leaves_a_stream(self) -> None:
        with suppress(TimeoutError):
            async with self._http.post(
                f"{self._url}/v1/chat/completions", json=_body(), timeout=ClientTimeout(total=0.5)
            ) as response:
                await response.read()

    async def talks_nonsense(self) -> None:
        async with self._page() as one:
            for frame in FRAMES:
                await one.socket.send_str(frame)
                await one.until("error")

    async def sends_bad_bodies(self) -> None:
        for body in (b"", b"{", b'{"messages":[]}', b'{"messages":"x"}', b"\xff" * 5000):
            address = f"{self._url}/v1/chat/completions"
            async with self._http.post(address, data=body) as response:
                assert response.status == 400

    async def types(self) -> None:
        async with self._page() as one:
            words = question().split()
            for number in range(1, len(words), 3):
                await one.send("typing", text=" ".join(words[:number]))
            await one.send("ping")
            await one.until("pong")

    def _page(self) -> AbstractAsyncContextManager[Page]:
        return page(self._http, self._url, patience=PATIENCE)

    def _any(self) -> str | None:
        return random.choice(self._conversations) if self._conversations else None

    async def _told(self, one: Page, conversation: str | None) -> None:
        said = await one.say(question(), conversation, uuid.uuid4().hex)
        if conversation is None:
            self._conversations.append(said["conversation"])
        await one.until("done", answer=said["answer"])

    async def _shown(self, one: Page) -> list[dict[str, object]]:
        """The messages of some conversation."""
        self._open = self._any()
        return (await one.open(self._open))["messages"] if self._open else []


def _body() -> dict[str, object]:
    return {
        "messages": [{"role": "user", "content": question()}],
        "max_tokens": 24,
        "stream": random.random() < 0.7,
    }
