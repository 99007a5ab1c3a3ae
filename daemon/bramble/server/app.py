"""The web application: the rooms of `server/` behind one door, with the headers that every answer carries."""

from collections.abc import Iterable
from typing import Protocol

from aiohttp import web

from bramble.access.keeper import Keeper
from bramble.chat.turn import Chat
from bramble.config import Config
from bramble.engine.client import Engine
from bramble.engine.embedder import Embedder
from bramble.server.access import Access
from bramble.server.answering import Answering
from bramble.server.door import attended
from bramble.server.embeddings import EmbeddingsRoom
from bramble.server.errors import shaped
from bramble.server.exports import Exports
from bramble.server.headers import add_headers
from bramble.server.llama import Llama
from bramble.server.metrics import Metrics
from bramble.server.naming import Naming
from bramble.server.ollama.pull import Pulls
from bramble.server.ollama.served import Served
from bramble.server.ollama.shelf import Shelf
from bramble.server.ollama.talk import Talk
from bramble.server.openai import OpenAI
from bramble.server.openapi.document import OpenAPI
from bramble.server.pages import Pages, folder
from bramble.server.proxies import Proxies
from bramble.server.session import SessionRoom
from bramble.server.socket import Sockets
from bramble.server.status import Status
from bramble.server.streams import Streams

BODY_LIMIT = 2 * 1024 * 1024
"""Largest accepted body in bytes."""


class Room(Protocol):
    """Some routes and who answers them."""

    def add_to(self, app: web.Application) -> None:
        """Put the routes in."""
        ...


def application(
    config: Config,
    chat: Chat,
    status: Status,
    embedder: Embedder | None,
    metrics: Metrics,
    keeper: Keeper,
    engine: Engine,
    pulls: Pulls,
    rooms: Iterable[Room] = (),
) -> web.Application:
    """Every route that there is, those of further `rooms` with them. Raises PageMissing."""
    server = config.server
    app = web.Application(
        middlewares=[
            attended,
            Proxies(server.trusted_proxies).look_behind,
            shaped,
            Access(server, keeper).guard,
        ],
        client_max_size=BODY_LIMIT,
    )
    app.on_response_prepare.append(add_headers)
    streams = Streams()
    answering = Answering(chat, status, streams)
    naming = Naming(config.models_dir)
    served = Served(answering, engine, embedder, naming)
    app.router.add_get("/healthz", status.alive)
    app.router.add_get("/readyz", status.ready)
    for room in (
        Pages(folder(), server.ollama_port),
        Sockets(chat, status, keeper),
        SessionRoom(keeper, server.access),
        Exports(chat),
        OpenAI(answering, naming, (embedder.name,) if embedder else ()),
        EmbeddingsRoom(embedder),
        Talk(answering, engine, served),
        Shelf(served, pulls, (config.engine.idle_unload, config.embedding.idle_unload)),
        Llama(answering, engine),
        OpenAPI(),
        streams,
        metrics,
        *rooms,
    ):
        room.add_to(app)
    return app
