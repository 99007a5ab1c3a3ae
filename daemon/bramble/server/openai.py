"""The OpenAI API: models and completions. The client keeps the conversation; its leaving cancels."""

import msgspec
from aiohttp import web

from bramble.server.answering import Answering
from bramble.server.body import read_body
from bramble.server.completion import ChatCompletion
from bramble.server.errors import json_response
from bramble.server.items import ResponseReply
from bramble.server.legacy import Completion
from bramble.server.responses import Response


class OpenAI:
    """The handlers; `others` are models that do not chat."""

    def __init__(self, answering: Answering, others: tuple[str, ...] = ()) -> None:
        self._answering, self._others = answering, others

    def add_to(self, app: web.Application) -> None:
        """Put the routes in."""
        app.router.add_get("/v1/models", self.models)
        app.router.add_post("/v1/chat/completions", self.chat)
        app.router.add_post("/v1/completions", self.complete)
        app.router.add_post("/v1/responses", self.respond)

    async def models(self, _: web.Request) -> web.Response:
        """GET /v1/models: the one that is served, then the others."""
        entry = {"object": "model", "created": 0, "owned_by": "bramble"}
        names = (self._answering.model().name, *self._others)
        return json_response({"object": "list", "data": [{"id": name, **entry} for name in names]})

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/chat/completions."""
        return await self._answer(request, await read_body(request, _chat))

    async def complete(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/completions."""
        return await self._answer(request, await read_body(request, _text))

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/responses."""
        body = await read_body(request, _response)
        prompts = body.prompts(self._answering.max_tokens)
        return await self._answering.answer(
            request,
            prompts,
            lambda model: ResponseReply(body, model.name),
            stream=bool(body.stream),
        )

    async def _answer(
        self, request: web.Request, body: ChatCompletion | Completion
    ) -> web.StreamResponse:
        prompts = body.prompts(self._answering.max_tokens)
        return await self._answering.answer(
            request, prompts, lambda model: body.reply(model.name), stream=bool(body.stream)
        )


_chat = msgspec.json.Decoder(ChatCompletion)
_text = msgspec.json.Decoder(Completion)
_response = msgspec.json.Decoder(Response)
