"""What people do with one browser, everything mixed, and what else comes along."""

import random
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress

from aiohttp import ClientSession, ClientTimeout

from tests.faults.people import question
from tests.page import Page, page

PATIENCE = 300.0
"""Seconds for an answer at the lowest priority, beside whatever else the machine does."""
KEPT = 20
"""Conversations that stay; older ones are deleted, so the database does not grow either."""
QUESTIONS = 150
"""Of a long prompt: about 1,700 tokens."""
FRAMES: tuple[str, ...] = (
    "nonsense",
    "[" * 5000,
    '{"type":"say","ref":"x","text":""}',
    '{"type":"resume","answer":1,"after":0}',
    '{"type":"stop","answer":7}',
)


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

    async def asks_at_length(self, number: int) -> None:
        """A prompt that has the same tokens each time it is asked with this number."""
        text = " ".join(f"{number}: what is {each}?" for each in range(1000, 1000 + QUESTIONS))
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
