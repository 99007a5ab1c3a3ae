"""Every route with what it takes and how it answers. A test holds this list to the routes that there are."""

from typing import Any

from bramble.server.completion import ChatCompletion
from bramble.server.embeddings import EmbeddingsBody
from bramble.server.legacy import Completion
from bramble.server.llama import ApplyBody, DetokenizeBody, TokenizeBody
from bramble.server.ollama.bodies import (
    ChatBody,
    EmbedBody,
    GenerateBody,
    NameBody,
    OldEmbedBody,
)
from bramble.server.openapi import admin, shapes
from bramble.server.openapi.operation import (
    BRAMBLE,
    EVENTS,
    HTML,
    JSON,
    LINES,
    LLAMA,
    OLLAMA,
    OPENAI,
    TEXT,
    Kinds,
    Operation,
)
from bramble.server.responses import Response
from bramble.server.streams import Lookup


def _get(family: str, path: str, summary: str, kinds: Kinds, **more: Any) -> Operation:
    return Operation(method="get", path=path, summary=summary, family=family, kinds=kinds, **more)


def _post(
    family: str, path: str, summary: str, body: type[Any], kinds: Kinds, **more: Any
) -> Operation:
    return Operation(
        method="post", path=path, summary=summary, family=family, body=body, kinds=kinds, **more
    )


def _json(schema: dict[str, Any]) -> Kinds:
    return {JSON: schema}


def _events(schema: dict[str, Any]) -> Kinds:
    """Whole, or streamed as server-sent events."""
    return {JSON: schema, EVENTS: shapes.EVENT}


def _lines(schema: dict[str, Any]) -> Kinds:
    """Whole, or streamed as one JSON object a line."""
    return {JSON: schema, LINES: {}}


S = shapes
OPERATIONS: tuple[Operation, ...] = (
    _get(OPENAI, "/v1/models", "The models that answer", _json(S.MODELS)),
    _get(OPENAI, "/v1/models/{id}", "One of them", _json(S.MODEL), also=(404,)),
    _post(
        OPENAI,
        "/v1/chat/completions",
        "Answer a conversation",
        ChatCompletion,
        _events(S.CHAT),
    ),
    _post(OPENAI, "/v1/completions", "Go on from a raw prompt", Completion, _events(S.COMPLETION)),
    _post(
        OPENAI,
        "/v1/responses",
        "Answer a conversation, of which nothing is kept",
        Response,
        _events(S.RESPONSE),
    ),
    _post(
        OPENAI,
        "/v1/embeddings",
        "Turn texts into vectors",
        EmbeddingsBody,
        _json(S.VECTORS),
        also=(404,),
    ),
    _get(OLLAMA, "/api/version", "The version of Ollama whose API this is", _json(S.VERSION)),
    _get(OLLAMA, "/api/tags", "The models that answer", _json(S.TAGS)),
    _get(OLLAMA, "/api/ps", "Those of them that are loaded", _json(S.PS)),
    _post(OLLAMA, "/api/show", "What a model is", NameBody, _json(S.SHOWN), also=(404,)),
    _post(
        OLLAMA,
        "/api/chat",
        "Answer a conversation",
        ChatBody,
        _lines(S.OLLAMA_CHAT),
        also=(404,),
    ),
    _post(
        OLLAMA,
        "/api/generate",
        "Answer one prompt",
        GenerateBody,
        _lines(S.OLLAMA_TEXT),
        also=(404,),
    ),
    _post(
        OLLAMA,
        "/api/embed",
        "Turn texts into vectors",
        EmbedBody,
        _json(S.OLLAMA_VECTORS),
        also=(404,),
    ),
    _post(
        OLLAMA,
        "/api/embeddings",
        "Turn a text into a vector, as it was done before /api/embed",
        OldEmbedBody,
        _json(S.OLLAMA_VECTOR),
        also=(404,),
    ),
    _post(
        OLLAMA,
        "/api/pull",
        "Fetch a model of the catalogue; what is not here yet takes the admin",
        NameBody,
        _lines(S.STATUS),
        also=(404,),
    ),
    Operation(
        method="delete",
        path="/api/delete",
        summary="Delete a model's file; takes the admin",
        family=OLLAMA,
        body=NameBody,
        also=(404,),
    ),
    _get(LLAMA, "/health", "Whether a model answers", _json(S.STATUS)),
    _get(LLAMA, "/props", "What is loaded", _json(S.PROPS)),
    _get(LLAMA, "/slots", "What the slots do; takes the admin", _json(S.SLOTS)),
    _post(LLAMA, "/tokenize", "Tokens of a text", TokenizeBody, _json(S.TOKENS)),
    _post(LLAMA, "/detokenize", "The text of tokens", DetokenizeBody, _json(S.CONTENT)),
    _post(LLAMA, "/apply-template", "The prompt of a conversation", ApplyBody, _json(S.PROMPT)),
    _get(
        OPENAI,
        "/v1/stream",
        "Read a stream on from a byte of it",
        {EVENTS: shapes.EVENT, LINES: {}},
        also=(404,),
        query={"conv_id": S.TEXT, "from": S.WHOLE},
    ),
    Operation(
        method="delete",
        path="/v1/stream",
        summary="Stop a stream's answer and forget it",
        family=OPENAI,
        ok=204,
        query={"conv_id": S.TEXT},
    ),
    _post(
        OPENAI,
        "/v1/streams/lookup",
        "How the streams are whose ids one knows",
        Lookup,
        _json(S.STREAMS),
    ),
    _get(
        BRAMBLE,
        "/",
        "The page; to programs that look for Ollama, its greeting",
        {HTML: S.TEXT, TEXT: S.TEXT},
    ),
    _get(BRAMBLE, "/static/{path}", "The page's files", {"*/*": {}}, also=(404,)),
    _get(BRAMBLE, "/ws", "The page's WebSocket (daemon/README.md)", {}, also=(101,)),
    _get(
        BRAMBLE,
        "/api/conversations/{id}/export",
        "A conversation as a file",
        {JSON: {}, "text/markdown": S.TEXT},
        also=(404,),
        query={"format": {"enum": ["md", "json"], "default": "md"}},
    ),
    _get(BRAMBLE, "/healthz", "That the daemon lives", _json(S.STATUS)),
    _get(BRAMBLE, "/readyz", "Whether a question would be answered now", _json(S.READINESS)),
    _get(BRAMBLE, "/metrics", "What was done, for Prometheus", {TEXT: S.TEXT}),
    _get(BRAMBLE, "/openapi.json", "This document", _json(S.ANY_OBJECT)),
    *admin.OPERATIONS,
)
