"""The OpenAI API: models and completions. The client keeps the conversation; its leaving cancels."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from functools import partial
from typing import TypeVar

import msgspec
from aiohttp import web

from bramble.chat.answer import Answer, Internal, Over, Text, Update
from bramble.chat.turn import Chat
from bramble.engine.client import Paused
from bramble.engine.wire import Done, Ready, Started
from bramble.errors import BadRequest, BrambleError, ModelUnavailable
from bramble.scheduler import Request
from bramble.server.access import peer
from bramble.server.choices import Choices
from bramble.server.completion import ChatCompletion
from bramble.server.errors import Refused, json_response, malformed, openai_error
from bramble.server.legacy import Completion
from bramble.server.replies import Reply, Said, event, usage
from bramble.server.status import Status

BODY_SECONDS = 30.0
EVENT_STREAM = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}

Updates = AsyncGenerator[tuple[int, Update], None]
Body = TypeVar("Body")


class OpenAI:
    """The handlers; `max_tokens` is the longest answer where a client names no length, `others` do not chat."""

    def __init__(
        self, chat: Chat, status: Status, *, max_tokens: int, others: tuple[str, ...] = ()
    ) -> None:
        self._chat, self._status, self._max_tokens = chat, status, max_tokens
        self._others = others

    def add_to(self, app: web.Application) -> None:
        """Put the routes in."""
        app.router.add_get("/v1/models", self.models)
        app.router.add_post("/v1/chat/completions", self.chat)
        app.router.add_post("/v1/completions", self.complete)

    async def models(self, _: web.Request) -> web.Response:
        """GET /v1/models: the one that is served, then the others."""
        entry = {"object": "model", "created": 0, "owned_by": "bramble"}
        names = (self._model().name, *self._others)
        return json_response({"object": "list", "data": [{"id": name, **entry} for name in names]})

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/chat/completions."""
        body = await _read(request, _chat)
        return await self._answer(request, body)

    async def complete(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/completions."""
        body = await _read(request, _text)
        return await self._answer(request, body)

    async def _answer(
        self, request: web.Request, body: ChatCompletion | Completion
    ) -> web.StreamResponse:
        prompts = body.prompts(self._max_tokens)
        choices = Choices(partial(self._begin, f"ip:{peer(request)}"), prompts)
        told = _Told(len(prompts) * body.choices, body.choices)
        try:
            async with aclosing(choices.follow()) as updates:
                await _started(updates, told)  # an error up to here still has a status code
                reply = body.reply(self._model().name)
                if body.stream:
                    return await _stream(request, updates, told, reply)
                async for index, update in updates:
                    told.take(index, update)
                return json_response(reply.whole(told.said, told.usage()))
        finally:
            await choices.stop()

    def _begin(self, person: str, request: Request) -> Answer:
        return self._chat.complete(person, request)

    def _model(self) -> Ready:
        if self._status.model is None:
            raise ModelUnavailable("The model is not loaded yet.", self._status.frame().reason)
        return self._status.model


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


_chat = msgspec.json.Decoder(ChatCompletion)
_text = msgspec.json.Decoder(Completion)


async def _read(request: web.Request, decoder: msgspec.json.Decoder[Body]) -> Body:
    try:
        async with asyncio.timeout(BODY_SECONDS):
            data = await request.read()
    except TimeoutError as error:
        raise Refused(408, "request_timeout", "The body did not arrive in time.") from error
    except web.RequestPayloadError as error:
        raise BadRequest("The body is not encoded as its headers say.") from error
    try:
        return decoder.decode(data)
    except (ValueError, RecursionError) as error:
        raise malformed(error) from error


async def _started(updates: Updates, told: _Told) -> None:
    async for index, update in updates:
        told.take(index, update)
        if isinstance(update, Started):
            return


async def _stream(
    request: web.Request, updates: Updates, told: _Told, reply: Reply
) -> web.StreamResponse:
    response = web.StreamResponse(headers=EVENT_STREAM)
    with suppress(ConnectionResetError):  # the client is gone
        await response.prepare(request)
        for index in told.open:
            await response.write(reply.open(index))
        try:
            async for index, update in updates:
                if data := _event(told, reply, index, update):
                    await response.write(data)
            last = reply.close(told.usage())
        except BrambleError as error:
            last = event(openai_error(error))
        await response.write_eof(last)
    return response


def _event(told: _Told, reply: Reply, index: int, update: Update) -> bytes:
    """What a stream tells of an update. Raises the error where an answer broke off."""
    if isinstance(update, Text):
        return reply.text(index, update)
    if isinstance(update, Paused):
        return (
            b": %b\n\n" % update.message.encode()
        )  # a comment: nobody parses it, and proxies see life
    new = isinstance(update, Started) and index not in told.open
    told.take(index, update)
    if isinstance(update, Over):
        return reply.end(index, update)
    return reply.open(index) if new else b""
