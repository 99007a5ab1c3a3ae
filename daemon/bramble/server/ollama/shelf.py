"""The routes of Ollama's API about models: which there are, what they are, fetching and deleting."""

from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any

import msgspec
from aiohttp import web

from bramble.errors import BrambleError
from bramble.server.audit import audit, audited
from bramble.server.body import read_body
from bramble.server.errors import json_response
from bramble.server.families import ollama_error
from bramble.server.identity import require_admin
from bramble.server.ollama import bodies
from bramble.server.ollama.lines import GenerateLines
from bramble.server.ollama.pull import Pulls
from bramble.server.ollama.served import Served

VERSION = "0.9.0"
"""The version of Ollama whose API this is: what later ones added is not here."""

Json = dict[str, Any]


class Shelf:
    """The handlers; the chat model and the other are unloaded after `idle_unload` seconds."""

    def __init__(self, served: Served, pulls: Pulls, idle_unload: tuple[float, float]) -> None:
        self._served, self._pulls, self._idle_unload = served, pulls, idle_unload

    def add_to(self, app: web.Application) -> None:
        """Put the routes in."""
        app.router.add_get("/api/version", self.version)
        app.router.add_get("/api/tags", self.tags)
        app.router.add_get("/api/ps", self.ps)
        app.router.add_post("/api/show", self.show)
        app.router.add_post("/api/pull", self.pull)
        app.router.add_delete("/api/delete", self.delete)

    async def version(self, _: web.Request) -> web.Response:
        """GET /api/version."""
        return json_response({"version": VERSION})

    async def tags(self, _: web.Request) -> web.Response:
        """GET /api/tags: the models that answer."""
        return json_response({"models": [facts.listed() for facts in self._served.models()]})

    async def ps(self, _: web.Request) -> web.Response:
        """GET /api/ps: those of them that are loaded."""
        models = zip(self._served.models(), self._idle_unload, strict=False)
        lines = [facts.running(seconds) for facts, seconds in models if facts.is_loaded]
        return json_response({"models": lines})

    async def show(self, request: web.Request) -> web.Response:
        """POST /api/show."""
        asked = (await read_body(request, _name)).asked()
        return json_response(self._served.find(asked).shown())

    async def pull(self, request: web.Request) -> web.StreamResponse:
        """POST /api/pull: a model of the catalogue. What is here already anybody may ask for."""
        body = await read_body(request, _name)
        name = body.asked()
        if not self._pulls.is_here(name):
            require_admin(request)
            audit(request, "model.fetch", name=name)
        async with aclosing(self._pulls.pull(name)) as lines:
            if body.stream is False:
                return json_response([line async for line in lines][-1])
            return await _tell(request, await anext(lines), lines)

    async def delete(self, request: web.Request) -> web.Response:
        """DELETE /api/delete: a model's file; the one that answers stays."""
        require_admin(request)
        asked = (await read_body(request, _name)).asked()
        with audited(request, "model.delete", name=asked):
            await self._pulls.remove(asked)
        return web.Response()


async def _tell(
    request: web.Request, first: Json, lines: AsyncGenerator[Json, None]
) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": GenerateLines.content_type})
    with suppress(ConnectionResetError):  # the client is gone
        await response.prepare(request)
        await response.write(msgspec.json.encode(first) + b"\n")
        last = b""
        try:
            async for line in lines:
                await response.write(msgspec.json.encode(line) + b"\n")
        except BrambleError as error:
            last = msgspec.json.encode(ollama_error(error.message, error.hint)) + b"\n"
        await response.write_eof(last)
    return response


_name = msgspec.json.Decoder(bodies.NameBody)
