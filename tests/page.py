"""What a page does on its WebSocket, for tests: frames out, frames in, each wait with a deadline."""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

from tests.daemons import DEADLINE

Frame = dict[str, Any]


class Closed(AssertionError):
    """The server closed the connection, or is gone."""


class Page:
    """One connection. `frames` is everything that came in on it; it waits `patience` seconds for the next one."""

    def __init__(self, socket: ClientWebSocketResponse, patience: float = DEADLINE) -> None:
        self.socket, self.patience = socket, patience
        self.frames: list[Frame] = []
        self._refs = count(1)

    async def send(self, type: str, **fields: object) -> None:
        """Send one frame."""
        await self.socket.send_json({"type": type, **fields})

    async def receive(self) -> Frame:
        """The next frame, whatever it is."""
        try:
            async with asyncio.timeout(self.patience):
                message = await self.socket.receive()
        except TimeoutError as error:
            last = self.frames[-3:]
            raise TimeoutError(f"nothing for {self.patience} s; the last frames: {last}") from error
        if message.type is not WSMsgType.TEXT:
            raise Closed(message)
        frame: Frame = json.loads(message.data)
        self.frames.append(frame)
        return frame

    async def until(self, type: str, **fields: object) -> Frame:
        """The next frame of this type that holds these fields."""
        wanted = {"type": type, **fields}
        while True:
            frame = await self.receive()
            if wanted.items() <= frame.items():
                return frame

    async def piece(self, n: int = 1) -> Frame:
        """The frame with which the first `n` pieces are told; a frame may hold several."""
        while (frame := await self.until("piece"))["n"] < n:
            pass
        return frame

    async def state(self, **fields: object) -> None:
        """Wait until the newest state holds these fields."""
        while True:
            newest = [frame for frame in self.frames if frame["type"] == "state"][-1]
            if fields.items() <= newest.items():
                return
            await self.receive()

    async def say(
        self, text: str, conversation: str | None = None, ref: str | None = None
    ) -> Frame:
        """Say something; returns its `said`. A page that comes back to a conversation needs another `ref`."""
        ref = ref or f"r{next(self._refs)}"
        await self.send("say", ref=ref, conversation=conversation, text=text)
        return await self.until("said", ref=ref)

    async def ask(self, text: str, conversation: str | None = None) -> tuple[Frame, str]:
        """Say something and wait for the end of the answer; returns its `done` and its text."""
        said = await self.say(text, conversation)
        done = await self.until("done", answer=said["answer"])
        return done, self.text(said["answer"])

    async def open(self, conversation: str) -> Frame:
        """Open a conversation."""
        await self.send("open", conversation=conversation)
        return await self.until("conversation", conversation=conversation)

    def vanish(self) -> None:
        """Be gone without a word, like a phone that leaves the house."""
        self.socket.get_extra_info("socket").shutdown(socket.SHUT_RDWR)

    def text(self, answer: int) -> str:
        """All of an answer that came in here; checks that no piece came twice."""
        pieces = [
            frame for frame in self.frames if frame["type"] == "piece" and frame["answer"] == answer
        ]
        numbers = [piece["n"] for piece in pieces]
        assert numbers == sorted(set(numbers))
        return "".join(piece["text"] for piece in pieces)


@asynccontextmanager
async def page(
    http: ClientSession, url: str, me: str | None = None, patience: float = DEADLINE
) -> AsyncGenerator[Page, None]:
    """A connection, greeted."""
    address = f"{url}/ws" + (f"?me={me}" if me else "")
    async with http.ws_connect(address, max_msg_size=0) as socket:
        page = Page(socket, patience)
        assert (await page.receive())["type"] == "hello"
        assert (await page.receive())["type"] == "state"
        yield page
