"""The route /ws: who is connected, and how everybody is sent away. What is said there is `connection`'s."""

import asyncio
import re
import secrets
from contextlib import suppress

from aiohttp import WSCloseCode, web

from bramble.chat.turn import Chat
from bramble.server.access import peer
from bramble.server.connection import Connection
from bramble.server.owner import owner, remember
from bramble.server.status import Status
from bramble.server.websocket import Socket

BROWSER = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Sockets:
    """The route /ws, and every socket that is open."""

    def __init__(self, chat: Chat, status: Status) -> None:
        self._chat, self._status = chat, status
        self._open: set[Socket] = set()

    def add_to(self, app: web.Application) -> None:
        """Put the route in; the sockets are closed when the app shuts down."""
        app.router.add_get("/ws", self.connect)
        app.on_shutdown.append(self.close)

    async def connect(self, request: web.Request) -> web.StreamResponse:
        """GET /ws?me=<browser id>."""
        socket = Socket()
        remember(request, socket)
        await socket.prepare(request)
        self._open.add(socket)
        try:
            with suppress(ConnectionResetError):
                mine, names = owner(request), _identity(request)
                await Connection(socket, self._chat, self._status, mine, *names).run()
        finally:
            self._open.discard(socket)
        return socket

    async def close(self, _: web.Application) -> None:
        """Send everybody away; their pages come back by themselves."""
        await asyncio.gather(
            *(socket.close(code=WSCloseCode.GOING_AWAY) for socket in self._open),
            return_exceptions=True,
        )


def _identity(request: web.Request) -> tuple[str, str]:
    """Who this is in the queue, and whose its refs are: without a browser id nobody knows that it came back."""
    me = request.query.get("me", "")
    if BROWSER.fullmatch(me):
        return f"page:{me}", f"page:{me}"
    return f"ip:{peer(request)}", secrets.token_urlsafe(16)
