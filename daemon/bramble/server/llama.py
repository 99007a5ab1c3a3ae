"""The routes that llama-server has beside OpenAI's: what is loaded, its slots, tokens and prompts."""

from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

import bramble
from bramble.engine.client import Engine, Phase
from bramble.engine.question import (
    Applied,
    Apply,
    Detokenize,
    Detokenized,
    Inspect,
    Inspected,
    SlotState,
    Tokenize,
    Tokenized,
)
from bramble.engine.wire import Sampling
from bramble.errors import ModelUnavailable
from bramble.server.answering import Answering
from bramble.server.body import read_body
from bramble.server.completion import ChatMessage, named
from bramble.server.errors import json_response
from bramble.server.identity import require_admin
from bramble.server.offers import Offer, offered

TEXT_LIMIT = 100_000
"""Characters of a text, and tokens, that are turned into each other: the engine answers nobody meanwhile."""


class TokenizeBody(msgspec.Struct):
    """POST /tokenize."""

    content: Annotated[str, Meta(max_length=TEXT_LIMIT)]
    add_special: bool = False
    parse_special: bool = True
    with_pieces: bool = False


class DetokenizeBody(msgspec.Struct):
    """POST /detokenize."""

    tokens: Annotated[
        list[Annotated[int, Meta(ge=0, le=(1 << 31) - 1)]], Meta(max_length=TEXT_LIMIT)
    ]


class ApplyBody(msgspec.Struct):
    """POST /apply-template."""

    messages: Annotated[list[ChatMessage], Meta(min_length=1)]
    tools: list[Offer] | None = None


class Llama:
    """The handlers."""

    def __init__(self, answering: Answering, engine: Engine) -> None:
        self._answering, self._engine = answering, engine

    def add_to(self, app: web.Application) -> None:
        """Put the routes in."""
        app.router.add_get("/health", self.health)
        app.router.add_get("/props", self.props)
        app.router.add_get("/slots", self.slots)
        app.router.add_post("/tokenize", self.tokenize)
        app.router.add_post("/detokenize", self.detokenize)
        app.router.add_post("/apply-template", self.apply)

    async def health(self, _: web.Request) -> web.Response:
        """GET /health: 200 where a model answers, 503 while it does not."""
        state = self._engine.state
        if state.phase not in (Phase.READY, Phase.RESTING):
            raise ModelUnavailable(state.reason or "Loading model.", state.hint)
        return json_response({"status": "ok"})

    async def props(self, _: web.Request) -> web.Response:
        """GET /props: the model, its template, and what holds where a request names nothing else."""
        model = self._answering.model()
        card = model.card
        params = msgspec.structs.asdict(Sampling())
        length = self._answering.max_tokens
        return json_response(
            {
                "default_generation_settings": {
                    "n_ctx": model.context,
                    "params": {**params, "n_predict": length, "max_tokens": length},
                },
                "total_slots": model.slots,
                "model_alias": model.name,
                "model_path": card.file.rpartition("/")[2],
                "modalities": {"vision": False, "audio": False},
                "chat_template": card.template,
                "bos_token": card.bos,
                "eos_token": card.eos,
                "build_info": f"bramble {bramble.__version__}",
                "is_sleeping": self._engine.state.phase is Phase.RESTING,
            }
        )

    async def slots(self, request: web.Request) -> web.Response:
        """GET /slots: who computes what, without a word of it."""
        require_admin(request)
        told = await self._engine.ask(Inspect(0), Inspected)
        context = self._answering.model().context
        return json_response([_slot(n, each, context) for n, each in enumerate(told.slots)])

    async def tokenize(self, request: web.Request) -> web.Response:
        """POST /tokenize."""
        body = await read_body(request, _tokenize)
        question = Tokenize(0, body.content, body.add_special, body.parse_special, body.with_pieces)
        told = await self._engine.ask(question, Tokenized)
        if not body.with_pieces:
            return json_response({"tokens": told.tokens})
        pieces = zip(told.tokens, told.pieces, strict=True)
        return json_response({"tokens": [{"id": id, "piece": _piece(p)} for id, p in pieces]})

    async def detokenize(self, request: web.Request) -> web.Response:
        """POST /detokenize."""
        body = await read_body(request, _detokenize)
        told = await self._engine.ask(Detokenize(0, tuple(body.tokens)), Detokenized)
        return json_response({"content": told.text})

    async def apply(self, request: web.Request) -> web.Response:
        """POST /apply-template."""
        body = await read_body(request, _apply)
        turns = tuple(named(message.turn() for message in body.messages))
        told = await self._engine.ask(Apply(0, turns, offered(body.tools, None)), Applied)
        return json_response({"prompt": told.prompt})


def _slot(number: int, state: SlotState, context: int) -> dict[str, Any]:
    slot: dict[str, Any] = {
        "id": number,
        "n_ctx": context,
        "is_processing": bool(state.answer),
        "n_prompt_tokens": state.held,
    }
    if not state.answer:
        return slot
    return slot | {
        "id_task": state.answer,
        "n_prompt_tokens": state.prompt,
        "n_prompt_tokens_cache": state.cached,
        "next_token": [{"n_decoded": state.written, "n_remain": state.limit - state.written}],
    }


def _piece(data: bytes) -> str | list[int]:
    """As text where it is whole characters, else its bytes."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return list(data)


_tokenize = msgspec.json.Decoder(TokenizeBody)
_detokenize = msgspec.json.Decoder(DetokenizeBody)
_apply = msgspec.json.Decoder(ApplyBody)
