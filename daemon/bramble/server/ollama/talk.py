"""The routes of Ollama's API that answer: chat, generate, embed. Nothing is reloaded for anybody's options."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import msgspec
from aiohttp import web

from bramble.engine.client import Engine
from bramble.engine.wire import Turn
from bramble.errors import BadRequest, ModelUnavailable, PromptTooLong
from bramble.server.answering import Answering
from bramble.server.body import read_body
from bramble.server.embeddings import TEXTS, as_numbers, written
from bramble.server.errors import json_response
from bramble.server.ollama import bodies
from bramble.server.ollama.lines import ChatLines, GenerateLines, now
from bramble.server.ollama.served import Served
from bramble.server.ollama.trim import shortened

LOAD_SECONDS = 300.0
"""How long a client may wait for a model at rest."""

Json = dict[str, Any]


class Talk:
    """The handlers."""

    def __init__(self, answering: Answering, engine: Engine, served: Served) -> None:
        self._answering, self._engine, self._served = answering, engine, served

    def add_to(self, app: web.Application) -> None:
        """Put the routes in."""
        app.router.add_post("/api/chat", self.chat)
        app.router.add_post("/api/generate", self.generate)
        app.router.add_post("/api/embed", self.embed)
        app.router.add_post("/api/embeddings", self.embeddings)

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """POST /api/chat. Where a conversation is too long its oldest messages are left out, as in Ollama."""
        body = await read_body(request, _chat)
        self._check(body)
        if not body.messages:
            return await self._load(body, {"message": {"role": "assistant", "content": ""}})
        tools = body.offered()
        extras = body.extras(tools)
        lines = ChatLines(body.model, self._thinks, frozenset(tool.name for tool in tools))
        turns: tuple[Turn, ...] = body.turns()
        while True:
            wanted = body.request(turns, extras, self._answering.max_tokens)
            try:
                return await self._answering.answer(
                    request, [[wanted]], lambda _: lines, stream=body.streams, fresh=body.is_fresh
                )
            except PromptTooLong as error:
                shorter = shortened(turns, error.prompt_tokens, error.context)
                if shorter is None or body.truncate is False:
                    raise
                turns = shorter

    async def generate(self, request: web.Request) -> web.StreamResponse:
        """POST /api/generate."""
        body = await read_body(request, _generate)
        self._check(body)
        if not body.prompt:
            return await self._load(body, {"response": ""})
        extras = body.extras(prompt=body.prompt if body.raw else "")
        wanted = body.request(body.turns(), extras, self._answering.max_tokens)
        lines = GenerateLines(body.model, self._thinks and not body.raw)
        return await self._answering.answer(
            request, [[wanted]], lambda _: lines, stream=body.streams, fresh=body.is_fresh
        )

    async def embed(self, request: web.Request) -> web.Response:
        """POST /api/embed."""
        body = await read_body(request, _embed)
        began = time.monotonic_ns()
        texts = [body.input] if isinstance(body.input, str) else body.input
        cut = body.truncate is not False
        vectors, tokens = await self._vectors(body.model, texts, body.dimensions or 0, cut=cut)
        times = {"total_duration": time.monotonic_ns() - began, "load_duration": 0}
        answer = {"model": body.model, "embeddings": vectors, **times, "prompt_eval_count": tokens}
        return json_response(answer)

    async def embeddings(self, request: web.Request) -> web.Response:
        """POST /api/embeddings, the older one."""
        body = await read_body(request, _old_embed)
        vectors, _ = await self._vectors(body.model, [body.prompt], 0, cut=True)
        return json_response({"embedding": vectors[0] if vectors else []})

    def _check(self, body: bodies.Wish) -> None:
        """Raises NotFound where another model is asked for, BadRequest where something is not done here."""
        self._served.must_chat(body.model)
        body.check(thinks=self._thinks)

    @property
    def _thinks(self) -> bool:
        return self._answering.model().card.thinks

    async def _load(self, body: bodies.Wish, said: Json) -> web.Response:
        """A model at rest is loaded; nobody unloads it for the others."""
        try:
            async with asyncio.timeout(LOAD_SECONDS):
                await self._engine.ready()
        except TimeoutError as error:
            reason = self._engine.state.reason or "The model is still being loaded."
            raise ModelUnavailable(reason) from error
        head = {"model": body.model, "created_at": now()}
        return json_response({**head, **said, "done": True, "done_reason": "load"})

    async def _vectors(
        self, model: str, texts: Sequence[str], dimensions: int, *, cut: bool
    ) -> tuple[list[msgspec.Raw], int]:
        """One a text, and how many tokens they had; none where there is only an empty one."""
        embedder = self._served.must_embed(model)
        if len(texts) > TEXTS:
            raise BadRequest(f"input has {len(texts)} texts; {TEXTS} are taken at once.")
        if not any(texts):
            return [], 0
        if not all(texts):
            raise BadRequest("input has an empty text.", field="input")
        answer = await embedder.embed(tuple(texts), dimensions=dimensions, cut=cut)
        vectors = await written(answer.vectors, as_numbers)
        return [msgspec.Raw(vector) for vector in vectors], answer.tokens


_chat = msgspec.json.Decoder(bodies.ChatBody)
_generate = msgspec.json.Decoder(bodies.GenerateBody)
_embed = msgspec.json.Decoder(bodies.EmbedBody)
_old_embed = msgspec.json.Decoder(bodies.OldEmbedBody)
