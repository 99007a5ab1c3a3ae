"""Streams that outlive their connection, as llama-server has them. Bounded in number, bytes and time.

A POST with `X-Conversation-Id` runs on without its client, and whoever knows the id reads it again from any byte.
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from bramble.errors import BadRequest, BrambleError, Busy, NotFound
from bramble.server.body import read_body
from bramble.server.errors import json_response
from bramble.server.identity import identity

HEADER = "X-Conversation-Id"
ID_LENGTH = 256
STREAM_BYTES, ALL_BYTES = 1 << 20, 16 << 20
"""What is kept of one stream (an answer of 4,000 tokens has 700 KiB) and of all: the oldest that are over go first."""
STREAMS_MOST = 64
KEEP_SECONDS = 300.0
"""How long one that is over can be read: llama-server's time."""


class Stopped(BadRequest):
    """The client itself ended it."""

    code = "stopped"


class Stream:
    """One response, as its bytes come. `headers` once it has begun; `dropped` bytes at its start are forgotten."""

    def __init__(self, id: str) -> None:
        self.id = id
        self.started, self.completed = time.time(), 0.0
        self.headers: dict[str, str] = {}
        self.dropped = 0
        self.over = False
        self.task: asyncio.Task[None] | None = None
        self._bytes = bytearray()
        self._begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._readers: set[asyncio.Event] = set()

    @property
    def kept(self) -> int:
        """Bytes in memory."""
        return len(self._bytes)

    @property
    def total(self) -> int:
        """Bytes that there ever were."""
        return self.dropped + len(self._bytes)

    def begin(self, headers: dict[str, str]) -> None:
        """From here on an error has no status code any more."""
        self.headers = headers
        self._begun.set_result(None)

    async def begun(self) -> None:
        """Wait for that. Raises what hindered it."""
        await asyncio.shield(self._begun)

    def write(self, data: bytes) -> None:
        """Add bytes; the oldest go where there are too many."""
        self._bytes += data
        surplus = max(len(self._bytes) - STREAM_BYTES, 0)
        del self._bytes[:surplus]
        self.dropped += surplus
        self._tell()

    def close(self, error: BrambleError | None = None) -> None:
        """Nothing comes any more; `error` is for who waits for its beginning."""
        if self.over:
            return
        self.over, self.completed = True, time.time()
        if not self._begun.done():
            self._begun.set_exception(error or Stopped("The answer was stopped."))
            self._begun.exception()  # that nobody waits for it is no mistake
        self._tell()

    def stop(self) -> None:
        """End it, whatever it is doing: reading the prompt, waiting in the queue, writing."""
        if self.task is not None:
            self.task.cancel()
        self.close()

    async def read(self, offset: int) -> AsyncGenerator[bytes, None]:
        """Everything from this byte on, to the end. Ends early for a reader so slow that bytes are forgotten before."""
        news = asyncio.Event()
        self._readers.add(news)
        try:
            while offset >= self.dropped:
                news.clear()
                if data := bytes(self._bytes[offset - self.dropped :]):
                    offset += len(data)
                    yield data
                elif self.over:
                    return
                else:
                    await news.wait()
        finally:
            self._readers.discard(news)

    def _tell(self) -> None:
        for reader in self._readers:
            reader.set()


class Lookup(msgspec.Struct):
    """The body of POST /v1/streams/lookup."""

    conversation_ids: Annotated[list[str], Meta(max_length=1024)]


_lookup = msgspec.json.Decoder(Lookup)


class Streams:
    """All of them, by caller and id: who shows a key has ids of their own, for all others the id is the key."""

    def __init__(self) -> None:
        self._streams: dict[tuple[str, str], Stream] = {}

    def add_to(self, app: web.Application) -> None:
        """Put the routes in."""
        app.router.add_get("/v1/stream", self.replay)
        app.router.add_delete("/v1/stream", self.stop)
        app.router.add_post("/v1/streams/lookup", self.lookup)
        app.on_shutdown.append(self.close)

    def make(self, request: web.Request) -> Stream | None:
        """A stream for a request that asks for one; an older one of its name is stopped. Raises BadRequest, Busy."""
        if not (id := request.headers.get(HEADER, "")):
            return None
        if len(id) > ID_LENGTH:
            raise BadRequest(f"{HEADER} has more than {ID_LENGTH} characters.")
        key = _caller(request), id
        self._drop(key)
        self._make_room()
        self._streams[key] = stream = Stream(id)
        return stream

    async def run(
        self, request: web.Request, stream: Stream, write: Callable[[], Awaitable[None]]
    ) -> web.StreamResponse:
        """Let `write` fill the stream, to its end, and send it as far as the client listens.

        Raises what hinders it from beginning; then nothing of it is left.
        """
        stream.task = asyncio.create_task(self._fill(_caller(request), stream, write))
        await stream.begun()
        return await _send(request, stream, 0)

    async def replay(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/stream?conv_id=&from=: from this byte on, then live."""
        stream = self._streams.get((_caller(request), _id(request)))
        if stream is None:
            raise NotFound("This stream is not here, or not any more.")
        try:
            offset = int(request.query.get("from") or 0)
        except ValueError:
            offset = -1
        if offset < 0:
            raise BadRequest("from is a number of bytes.", field="from")
        if offset < stream.dropped:
            raise BadRequest("These bytes are forgotten.", "Ask again.", field="from")
        await stream.begun()
        return await _send(request, stream, offset)

    async def stop(self, request: web.Request) -> web.Response:
        """DELETE /v1/stream?conv_id=: also where there is none."""
        self._drop((_caller(request), _id(request)))
        return web.Response(status=204)

    async def lookup(self, request: web.Request) -> web.Response:
        """POST /v1/streams/lookup: how those are whose ids the client knows; `id::model` is found by `id`, too."""
        asked = (await read_body(request, _lookup)).conversation_ids
        caller = _caller(request)
        found = [
            stream
            for id in asked
            for (owner, name), stream in self._streams.items()
            if owner == caller and (name == id or name.startswith(f"{id}::"))
        ]
        return json_response([_told(stream) for stream in found])

    async def close(self, _: web.Application) -> None:
        """End what still runs."""
        for key in list(self._streams):
            self._drop(key)

    async def _fill(
        self, caller: str, stream: Stream, write: Callable[[], Awaitable[None]]
    ) -> None:
        key = caller, stream.id
        try:
            await write()
            asyncio.get_running_loop().call_later(KEEP_SECONDS, self._forget, key, stream)
        except BrambleError as error:
            self._forget(key, stream)
            stream.close(error)
        except BaseException:
            self._forget(key, stream)
            raise
        finally:
            stream.close()

    def _forget(self, key: tuple[str, str], stream: Stream) -> None:
        if self._streams.get(key) is stream:
            del self._streams[key]

    def _drop(self, key: tuple[str, str]) -> None:
        if stream := self._streams.pop(key, None):
            stream.stop()

    def _make_room(self) -> None:
        """The oldest that are over make room. Raises Busy where all still run."""
        over = [key for key, stream in self._streams.items() if stream.over]
        size = sum(stream.kept for stream in self._streams.values())
        while over and (len(self._streams) >= STREAMS_MOST or size > ALL_BYTES):
            size -= self._streams.pop(over.pop(0)).kept
        if len(self._streams) >= STREAMS_MOST:
            raise Busy(f"{STREAMS_MOST} streams are running already.", retry_after=10.0)


def _caller(request: web.Request) -> str:
    """Who signed in, else what was shown: any key will do where nobody needs one."""
    shown = request.headers.get("Authorization", "")
    return identity(request).owner or hashlib.sha256(shown.encode()).hexdigest()


def _id(request: web.Request) -> str:
    if id := request.query.get("conv_id"):
        return id
    raise BadRequest("Which conversation's stream?", "Name it: ?conv_id=…", field="conv_id")


def _told(stream: Stream) -> dict[str, object]:
    return {
        "conversation_id": stream.id,
        "is_done": stream.over,
        "total_bytes": stream.total,
        "started_at": int(stream.started),
        "completed_at": int(stream.completed),
    }


async def _send(request: web.Request, stream: Stream, offset: int) -> web.StreamResponse:
    response = web.StreamResponse(headers=stream.headers)
    with suppress(ConnectionResetError):  # the client is gone
        await response.prepare(request)
        async with aclosing(stream.read(offset)) as parts:
            async for data in parts:
                await response.write(data)
        await response.write_eof()
    return response
