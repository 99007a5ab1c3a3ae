"""The OpenAPI document: made once of the operations and of the structs that read their bodies."""

import re
from functools import cache
from typing import Any

import msgspec
from aiohttp import web

import bramble
from bramble.server.openapi import shapes
from bramble.server.openapi.operation import (
    ADMIN,
    BRAMBLE,
    LLAMA,
    OLLAMA,
    OPENAI,
    Operation,
)
from bramble.server.openapi.operations import OPERATIONS

Json = dict[str, Any]

ERRORS = {
    OPENAI: "OpenAIError",
    OLLAMA: "OllamaError",
    LLAMA: "LlamaError",
    BRAMBLE: "Error",
    ADMIN: "Error",
}
ERROR_SHAPES = {
    "OpenAIError": shapes.OPENAI_ERROR,
    "OllamaError": shapes.OLLAMA_ERROR,
    "LlamaError": shapes.LLAMA_ERROR,
    "Error": shapes.BRAMBLE_ERROR,
}
WORDS = {
    101: "The protocol changes",
    200: "As asked",
    201: "Made",
    202: "Begun",
    204: "Done",
    400: "Something is wrong with the request",
    401: "Sign in first",
    403: "Not for you",
    404: "Not here",
    409: "Not as things are",
    408: "The body did not arrive in time",
    413: "The body is too large",
    421: "This machine is not known by that name",
    429: "Too often",
    503: "Not now; Retry-After says when",
    507: "There is no room for it",
}
ALWAYS = (401, 403, 421, 429, 503)
WITH_BODY = (400, 408, 413)
REFS = "#/components/schemas/{name}"


class OpenAPI:
    """GET /openapi.json."""

    def add_to(self, app: web.Application) -> None:
        """Put the route in."""
        app.router.add_get("/openapi.json", self.tell)

    async def tell(self, _: web.Request) -> web.Response:
        """The document."""
        return web.Response(body=_encoded(), content_type="application/json")


def document() -> Json:
    """All of it."""
    bodies = list({str(each.body): each.body for each in OPERATIONS if each.body}.values())
    bodies.sort(key=str)
    refs, schemas = msgspec.json.schema_components(bodies, ref_template=REFS)
    by_type = dict(zip(map(str, bodies), refs, strict=True))
    paths: dict[str, Json] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _operation(operation, by_type)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Bramble",
            "version": bramble.__version__,
            "description": "The APIs of OpenAI, Ollama and llama-server, and what else there is.",
        },
        "paths": paths,
        "components": {"schemas": {**schemas, **ERROR_SHAPES}},
    }


def _operation(operation: Operation, bodies: dict[str, Json]) -> Json:
    told: Json = {
        "summary": operation.summary,
        "tags": [operation.family],
        "operationId": _id(operation),
        "responses": _responses(operation),
    }
    names = re.findall(r"{(\w+)}", operation.path)
    parameters = [
        *({"name": each, "in": "path", "required": True, "schema": shapes.TEXT} for each in names),
        *({"name": n, "in": "query", "schema": schema} for n, schema in operation.query.items()),
    ]
    if parameters:
        told["parameters"] = parameters
    if operation.body:
        content = {"application/json": {"schema": bodies[str(operation.body)]}}
        told["requestBody"] = {"required": True, "content": content}
    return told


def _responses(operation: Operation) -> Json:
    ok = {kind: {"schema": schema} for kind, schema in operation.kinds.items()}
    content = {"content": ok} if ok else {}
    told: Json = {str(operation.ok): {"description": WORDS[operation.ok], **content}}
    error = {"$ref": REFS.format(name=ERRORS[operation.family])}
    asks = operation.body or operation.query or operation.path == "/ws"
    for status in sorted({*operation.also, *ALWAYS, *(WITH_BODY if asks else ())}):
        content = {"application/json": {"schema": error}} if status >= 400 else {}
        told[str(status)] = {
            "description": WORDS[status],
            **({"content": content} if content else {}),
        }
    return told


def _id(operation: Operation) -> str:
    words = re.findall(r"\w+", operation.path)
    return "_".join([operation.method, *(words or ["page"])])


@cache
def _encoded() -> bytes:
    return msgspec.json.encode(document())
