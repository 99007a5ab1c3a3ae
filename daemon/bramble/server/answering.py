"""From the requests that an API's body asks for to its answer, whole or streamed. The client's leaving cancels."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from functools import partial

from aiohttp import web

from bramble.chat.answer import Answer, Internal, Over, Text, Update
from bramble.chat.turn import Chat
from bramble.engine.client import Paused
from bramble.engine.wire import Done, Ready, Started
from bramble.errors import BrambleError, ModelUnavailable
from bramble.scheduler import Request
from bramble.server.choices import Choices
from bramble.server.errors import json_response
from bramble.server.owner import person
from bramble.server.replies import Reply, Said, usage
from bramble.server.status import Status
from bramble.server.streams import Stream, Streams

Updates = AsyncGenerator[tuple[int, Update], None]


class Answering:
    """Answers conversations that the client keeps."""

    def __init__(self, chat: Chat, status: Status, streams: Streams) -> None:
        self._chat, self._status, self._streams = chat, status, streams

    @property
    def max_tokens(self) -> int:
        """The longest answer, in tokens, where a client names no length."""
        return self._chat.settings.max_tokens

    def model(self) -> Ready:
        """The model that answers. Raises ModelUnavailable."""
        if self._status.model is None:
            raise ModelUnavailable("The model is not loaded yet.", self._status.frame().reason)
        return self._status.model

    async def answer(
        self,
        request: web.Request,
        prompts: list[list[Request]],
        reply: Callable[[Ready], Reply],
        *,
        stream: bool,
        fresh: bool = False,
    ) -> web.StreamResponse:
        """All choices for all prompts, in the shape of `reply`. Raises what has a status code of its own.

        `fresh` computes what could be recalled; so does asking for several choices, which are to differ.
        """
        fresh = fresh or len(prompts[0]) > 1
        choices = Choices(partial(self._begin, person(request), fresh), prompts)
        told = _Told(sum(map(len, prompts)), len(prompts[0]))
        if stream and (lasting := self._streams.make(request)):
            writing = partial(self._write, lasting, choices, told, reply)
            return await self._streams.run(request, lasting, writing)
        try:
            async with aclosing(choices.follow()) as updates:
                await _started(updates, told)  # an error up to here still has a status code
                shape = reply(self.model())
                if stream:
                    headers = _headers(shape, choices)
                    return await _send(request, _chunks(updates, told, shape), headers)
                async for index, update in updates:
                    told.take(index, update)
                response = json_response(shape.whole(told.said, told.usage()))
                response.headers.update(choices.headers)
                return response
        finally:
            await choices.stop()

    async def _write(
        self, stream: Stream, choices: Choices, told: "_Told", reply: Callable[[Ready], Reply]
    ) -> None:
        """Fill a stream that outlives its connection. Raises what hinders it from beginning."""
        try:
            async with aclosing(choices.follow()) as updates:
                await _started(updates, told)
                shape = reply(self.model())
                stream.begin(_headers(shape, choices))
                async for data in _chunks(updates, told, shape):
                    stream.write(data)
        finally:
            await choices.stop()

    def _begin(self, person: str, fresh: bool, request: Request) -> Answer:
        return self._chat.complete(person, request, fresh=fresh)


class _Told:
    """What the choices have said so far. Taking in an error raises it."""

    def __init__(self, count: int, choices: int) -> None:
        self.said = [Said() for _ in range(count)]
        self.open: set[int] = set()
        self._choices = choices
        self._done: dict[int, Done] = {}

    def take(self, index: int, update: Update) -> None:
        """Raises the error where an answer broke off."""
        if isinstance(update, Started):
            self.open.add(index)
        elif isinstance(update, Text):
            self.said[index].take(update)
        elif isinstance(update, Over):
            if update.done is None:
                raise update.error or Internal("The answer was stopped.")
            self.said[index].over = update
            self._done[index] = update.done

    def usage(self) -> dict[str, object]:
        """Lengths in tokens; complete once all are over."""
        return usage([self._done[index] for index in sorted(self._done)], self._choices)


async def _started(updates: Updates, told: _Told) -> None:
    async for index, update in updates:
        told.take(index, update)
        if isinstance(update, Started):
            return


def _headers(reply: Reply, choices: Choices) -> dict[str, str]:
    return {"Content-Type": reply.content_type, "Cache-Control": "no-cache", **choices.headers}


async def _chunks(updates: Updates, told: _Told, reply: Reply) -> AsyncGenerator[bytes, None]:
    """A stream from its beginning to its end, also where that is an error."""
    for index in told.open:
        yield reply.open(index)
    try:
        async for index, update in updates:
            if data := _event(told, reply, index, update):
                yield data
        last = reply.close(told.usage())
    except BrambleError as error:
        last = reply.failure(error)
    yield last


async def _send(
    request: web.Request, chunks: AsyncGenerator[bytes, None], headers: dict[str, str]
) -> web.StreamResponse:
    response = web.StreamResponse(headers=headers)
    async with aclosing(chunks):
        with suppress(ConnectionResetError):  # the client is gone
            await response.prepare(request)
            async for data in chunks:
                await response.write(data)
            await response.write_eof()
    return response


def _event(told: _Told, reply: Reply, index: int, update: Update) -> bytes:
    """What a stream tells of an update. Raises the error where an answer broke off."""
    if isinstance(update, Text):
        return reply.text(index, update)
    if isinstance(update, Paused):
        return reply.pause(update.message)
    new = isinstance(update, Started) and index not in told.open
    told.take(index, update)
    if isinstance(update, Over):
        return reply.end(index, update)
    return reply.open(index) if new else b""
