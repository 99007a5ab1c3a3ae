"""The OpenAI API: /v1/models and /v1/chat/completions. The client keeps the conversation; its leaving cancels."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

import msgspec
from aiohttp import web

from bramble.chat.answer import Answer, Internal, Over, Text, Update
from bramble.chat.turn import Chat
from bramble.engine.wire import Ready, Started
from bramble.errors import BadRequest, BrambleError, ModelUnavailable
from bramble.server.access import peer
from bramble.server.completion import ChatCompletion
from bramble.server.errors import Refused, json_response, malformed, openai_error
from bramble.server.replies import Chunks, completion, event
from bramble.server.status import Status

BODY_SECONDS = 30.0
EVENT_STREAM = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}

_decoder = msgspec.json.Decoder(ChatCompletion)


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
        app.router.add_post("/v1/chat/completions", self.complete)

    async def models(self, _: web.Request) -> web.Response:
        """GET /v1/models: the one that is served, then the others."""
        entry = {"object": "model", "created": 0, "owned_by": "bramble"}
        names = (self._model().name, *self._others)
        return json_response({"object": "list", "data": [{"id": name, **entry} for name in names]})

    async def complete(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/chat/completions."""
        body = await _read(request)
        answer = self._chat.complete(f"ip:{peer(request)}", body.request(self._max_tokens))
        try:
            if body.stream:
                return await self._stream(request, answer, include_usage=body.include_usage)
            return await self._whole(answer)
        finally:
            answer.stop()

    async def _whole(self, answer: Answer) -> web.Response:
        over = await answer.end()
        if over.done is None:
            raise _error(over)
        return json_response(completion(self._model().name, answer.text, over.done, over.reason))

    async def _stream(
        self, request: web.Request, answer: Answer, *, include_usage: bool
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers=EVENT_STREAM)
        async with aclosing(answer.follow()) as updates:
            await _started(updates)  # an error up to here still has a status code
            chunks = Chunks(self._model().name, include_usage=include_usage)
            with suppress(ConnectionResetError):  # the client is gone
                await response.prepare(request)
                await response.write(chunks.role())
                async for update in updates:
                    if isinstance(update, Text):
                        await response.write(chunks.text(update.text))
                    elif isinstance(update, Over):
                        await response.write_eof(_last(chunks, update))
        return response

    def _model(self) -> Ready:
        if self._status.model is None:
            raise ModelUnavailable("The model is not loaded yet.", self._status.frame().reason)
        return self._status.model


async def _read(request: web.Request) -> ChatCompletion:
    try:
        async with asyncio.timeout(BODY_SECONDS):
            data = await request.read()
    except TimeoutError as error:
        raise Refused(408, "request_timeout", "The body did not arrive in time.") from error
    except web.RequestPayloadError as error:
        raise BadRequest("The body is not encoded as its headers say.") from error
    try:
        return _decoder.decode(data)
    except (ValueError, RecursionError) as error:
        raise malformed(error) from error


async def _started(updates: AsyncGenerator[Update, None]) -> None:
    async for update in updates:
        if isinstance(update, Started):
            return
        if isinstance(update, Over):
            raise _error(update)


def _last(chunks: Chunks, over: Over) -> bytes:
    if over.done is None:
        return event(openai_error(_error(over)))
    return chunks.end(over.done, over.reason)


def _error(over: Over) -> BrambleError:
    return over.error or Internal("The answer was stopped.")
