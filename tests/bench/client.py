"""A client of the OpenAI API, the same for both servers: streams an answer and notes when every piece came."""

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientResponse, ClientSession, ClientTimeout, TCPConnector
from msgspec import Struct
from msgspec.json import decode

from tests.bench.measure import Failed

ANSWER_SECONDS = 600.0


class Details(Struct):
    """What the cache had."""

    cached_tokens: int | None = None


class Usage(Struct):
    """Lengths in tokens."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: Details | None = None


class Delta(Struct):
    """What is new."""

    content: str | None = None


class Choice(Struct):
    """One answer's part of an event."""

    delta: Delta


class Event(Struct):
    """What is read of an event of the stream; servers send more."""

    choices: tuple[Choice, ...] = ()
    usage: Usage | None = None
    error: Any = None


@dataclass
class Reply:
    """An answer as it comes in. `at`: when each piece with text came, on the clock of `sent`, in seconds."""

    sent: float = 0.0
    at: list[float] = field(default_factory=list[float])
    text: str = ""
    usage: Usage = field(default_factory=Usage)

    @property
    def first(self) -> float:
        """Seconds to the first text."""
        return self.at[0] - self.sent

    @property
    def tokens(self) -> int:
        """The server's own count; where it tells none, pieces."""
        return self.usage.completion_tokens or len(self.at)

    @property
    def rate(self) -> float | None:
        """Tokens a second after the first; None for an answer of one."""
        seconds = self.at[-1] - self.at[0]
        return (self.tokens - 1) / seconds if self.tokens > 1 and seconds > 0 else None

    @property
    def computed(self) -> int:
        """Tokens of the prompt that were not in the cache."""
        details = self.usage.prompt_tokens_details or Details()
        return self.usage.prompt_tokens - (details.cached_tokens or 0)


class Client:
    """Asks one server."""

    def __init__(self, http: ClientSession, url: str) -> None:
        self._http, self._url = http, url

    async def ask(self, text: str, tokens: int = 64, into: Reply | None = None) -> Reply:
        """One question without a history."""
        return await self.chat([{"role": "user", "content": text}], tokens, into)

    async def chat(
        self,
        messages: list[dict[str, str]],
        tokens: int = 64,
        into: Reply | None = None,
        **options: Any,
    ) -> Reply:
        """One streamed answer of at most `tokens`, at temperature 0. `into` can be watched. Raises Failed."""
        reply = into or Reply()
        body = {
            "model": "default",
            "messages": messages,
            "max_tokens": tokens,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
        } | options
        reply.sent = time.perf_counter()
        async with self._http.post(f"{self._url}/v1/chat/completions", json=body) as response:
            if response.status != 200:
                raise Failed(f"{response.status}: {(await response.text())[:200]}")
            await _read(response, reply)
        if not reply.at:
            raise Failed(f"an answer without text to {messages[-1]['content'][-60:]!r}")
        return reply


async def _read(response: ClientResponse, reply: Reply) -> None:
    async for line in response.content:
        if not line.startswith(b"data:") or b"[DONE]" in line:
            continue
        event = decode(line[5:], type=Event)
        if event.error is not None:
            raise Failed(str(event.error)[:200])
        reply.usage = event.usage or reply.usage
        for choice in event.choices:
            if choice.delta.content:
                reply.at.append(time.perf_counter())
                reply.text += choice.delta.content


@asynccontextmanager
async def client(url: str) -> AsyncGenerator[Client, None]:
    """A client; every request has a connection of its own, as some servers close kept ones without a word."""
    connector = TCPConnector(force_close=True)
    async with ClientSession(
        connector=connector, timeout=ClientTimeout(total=ANSWER_SECONDS)
    ) as http:
        yield Client(http, url)
