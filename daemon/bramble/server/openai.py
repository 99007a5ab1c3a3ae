"""The OpenAI API: models and completions. The client keeps the conversation; its leaving cancels."""

import msgspec
from aiohttp import web

from bramble.errors import NotFound
from bramble.server.answering import Answering
from bramble.server.body import read_body
from bramble.server.completion import ChatCompletion
from bramble.server.errors import json_response
from bramble.server.items import ResponseReply
from bramble.server.legacy import Completion
from bramble.server.naming import Naming
from bramble.server.responses import Response


class OpenAI:
    """The handlers; `others` are models that do not chat."""

    def __init__(self, answering: Answering, naming: Naming, others: tuple[str, ...] = ()) -> None:
        self._answering, self._naming, self._others = answering, naming, others

    def add_to(self, app: web.Application) -> None:
        """Put the routes in."""
        app.router.add_get("/v1/models", self.models)
        app.router.add_get("/v1/models/{id:.+}", self.model)
        app.router.add_post("/v1/chat/completions", self.chat)
        app.router.add_post("/v1/completions", self.complete)
        app.router.add_post("/v1/responses", self.respond)

    async def models(self, _: web.Request) -> web.Response:
        """GET /v1/models: the one that is served, then the others."""
        return json_response({"object": "list", "data": [_model(name) for name in self._names()]})

    async def model(self, request: web.Request) -> web.Response:
        """GET /v1/models/{id}: one of them, by any of its names."""
        asked = request.match_info["id"]
        file = self._answering.model().card.file
        for name, path in zip(self._names(), (file, ""), strict=False):
            if self._naming.means(asked, name, path):
                return json_response(_model(name))
        raise NotFound(f"There is no model {asked[:100]!r} here.", "See /v1/models.")

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
            fresh=body.is_fresh,
        )

    def _names(self) -> tuple[str, ...]:
        return self._answering.model().name, *self._others

    async def _answer(
        self, request: web.Request, body: ChatCompletion | Completion
    ) -> web.StreamResponse:
        prompts = body.prompts(self._answering.max_tokens)
        return await self._answering.answer(
            request,
            prompts,
            lambda model: body.reply(model.name),
            stream=bool(body.stream),
            fresh=body.is_fresh,
        )


def _model(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "bramble"}


_chat = msgspec.json.Decoder(ChatCompletion)
_text = msgspec.json.Decoder(Completion)
_response = msgspec.json.Decoder(Response)
