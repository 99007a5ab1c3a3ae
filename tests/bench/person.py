"""A person at the page: speaks the WebSocket protocol of daemon/README.md."""

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

from tests.bench.measure import Failed

ANSWER_SECONDS = 300.0
KEYSTROKES = 0.5
"""Seconds between two `typing` frames: the page sends no more."""


class Person:
    """One browser and its conversation."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self._socket = socket
        self._conversation: str | None = None

    async def say(self, text: str) -> float:
        """Press Enter and wait for the end of the answer; returns the seconds to its first piece. Raises Failed."""
        sent = time.perf_counter()
        await self._send("say", ref=uuid.uuid4().hex, text=text)
        first = None
        async with asyncio.timeout(ANSWER_SECONDS):
            while True:
                frame = await self._receive()
                if frame["type"] == "said":
                    self._conversation = frame["conversation"]
                elif frame["type"] == "piece":
                    first = first or time.perf_counter()
                elif frame["type"] == "done":
                    break
        if first is None:
            raise Failed(f"an answer without text ({frame['reason']})")
        return first - sent

    async def type(self, text: str, seconds: float) -> None:
        """Write this, so many words at a time that it takes `seconds`; nothing is sent off."""
        words = text.split(" ")
        frames = max(1, round(seconds / KEYSTROKES))
        for number in range(1, frames + 1):
            await self._send("typing", text=" ".join(words[: len(words) * number // frames]))
            await self._listen(KEYSTROKES)

    async def _listen(self, seconds: float) -> None:
        """Let time go by as a page does: the server's pings are answered."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    await self._receive()

    async def _send(self, kind: str, **fields: str) -> None:
        await self._socket.send_json({"type": kind, "conversation": self._conversation} | fields)

    async def _receive(self) -> dict[str, Any]:
        message = await self._socket.receive()
        if message.type is not WSMsgType.TEXT:
            raise Failed("the server closed the socket")
        frame: dict[str, Any] = message.json()
        if frame["type"] == "error":
            raise Failed(f"{frame['code']}: {frame['message']}")
        return frame


@asynccontextmanager
async def person(url: str) -> AsyncGenerator[Person, None]:
    """Somebody who opens the page and starts a conversation."""
    async with (
        ClientSession() as http,
        http.ws_connect(f"{url}/ws?me={uuid.uuid4().hex}", max_msg_size=0) as socket,
    ):
        yield Person(socket)
