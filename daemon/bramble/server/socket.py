"""The route /ws: who is connected, and how everybody is sent away. What is said there is `connection`'s."""

import asyncio
import re
import secrets
from contextlib import suppress

from aiohttp import WSCloseCode, web

from bramble.access.identity import Identity
from bramble.access.keeper import Keeper
from bramble.chat.turn import Chat
from bramble.server.connection import Connection
from bramble.server.identity import identity
from bramble.server.owner import owner, person, remember
from bramble.server.status import Status
from bramble.server.websocket import Socket

SIGNED_OUT = 4401
"""The close code for who is not signed in any more: 401 with the 4000 that are an application's own."""
BROWSER = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Sockets:
    """The route /ws, and every socket that is open."""

    def __init__(self, chat: Chat, status: Status, keeper: Keeper) -> None:
        self._chat, self._status, self._keeper = chat, status, keeper
        self._open: dict[Socket, Identity] = {}
        self._leaving: set[asyncio.Task[bool]] = set()

    def add_to(self, app: web.Application) -> None:
        """Put the route in; the sockets are closed when the app shuts down."""
        app.router.add_get("/ws", self.connect)
        app.on_shutdown.append(self.close)
        self._keeper.watch(self._look)

    async def connect(self, request: web.Request) -> web.StreamResponse:
        """GET /ws?me=<browser id>."""
        socket = Socket()
        remember(request, socket)
        await socket.prepare(request)
        self._open[socket] = identity(request)
        try:
            with suppress(ConnectionResetError):
                mine, names = owner(request), _identity(request)
                await Connection(socket, self._chat, self._status, mine, *names).run()
        finally:
            del self._open[socket]
        return socket

    def _look(self) -> None:
        """Send away who has signed out, or may not sign in any more; what they asked for goes on."""
        for socket, who in self._open.items():
            if not self._keeper.is_still(who):
                task = asyncio.create_task(socket.close(code=SIGNED_OUT))
                self._leaving.add(task)
                task.add_done_callback(self._leaving.discard)

    async def close(self, _: web.Application) -> None:
        """Send everybody away; their pages come back by themselves."""
        await asyncio.gather(
            *(socket.close(code=WSCloseCode.GOING_AWAY) for socket in self._open),
            return_exceptions=True,
        )


def _identity(request: web.Request) -> tuple[str, str]:
    """Who this is in the queue, and whose its refs are: without a browser id nobody knows that it came back."""
    me = request.query.get("me", "")
    if not BROWSER.fullmatch(me):
        return person(request), secrets.token_urlsafe(16)
    return identity(request).owner or f"page:{me}", f"page:{me}"
