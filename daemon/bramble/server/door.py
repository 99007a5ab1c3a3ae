"""The door in front of HTTP: how many connections there may be, and how long each may take to say what it wants.

aiohttp has no deadline for a request's head and counts nobody. Who says nothing makes room for who comes next.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from socket import socket
from ssl import SSLContext

from aiohttp import web
from aiohttp.typedefs import Handler

from bramble.config import LimitSettings
from bramble.server.guest import Guest

log = logging.getLogger("bramble.server")

BACKLOG = 256
"""Connections that the kernel holds until they are let in."""
LAST_LOOKS, LOOK_SECONDS = 50, 0.01
"""How often and for how long those who came before the door was closed may take to say what they want."""


class Door:
    """Lets connections in; `inner` makes the protocol that speaks HTTP. Made, opened and closed once."""

    def __init__(self, limits: LimitSettings, inner: Callable[[], asyncio.Protocol]) -> None:
        self._limits, self._inner = limits, inner
        self._guests: dict[str, dict[Guest, None]] = {}
        self._silent: dict[Guest, None] = {}
        self._servers: list[asyncio.Server] = []
        self._listeners: list[socket] = []
        self.count = 0
        """Connections that are open."""

    async def open(self, listeners: Sequence[socket], encryption: SSLContext | None = None) -> None:
        """Let in who comes to these sockets, and encrypts where that is asked for."""
        loop = asyncio.get_running_loop()
        deadline = self._limits.head if encryption else None
        for listener in listeners:
            server = await loop.create_server(
                self._guest,
                sock=listener,
                backlog=BACKLOG,
                ssl=encryption,
                ssl_handshake_timeout=deadline,
            )
            self._servers.append(server)
            self._listeners.append(listener)

    async def close(self) -> None:
        """Let nobody in any more; who is in may stay, and who has just come in is still heard.

        Under systemd the next daemon has the same sockets: nobody may notice that this one has left.
        """
        loop = asyncio.get_running_loop()
        for listener in self._listeners:
            loop.remove_reader(listener)
        await asyncio.sleep(
            0
        )  # asyncio drops connections that it has accepted when their server is closed
        for server in self._servers:
            server.close()
        for _ in range(LAST_LOOKS):
            if not any(map(Guest.is_coming, self._all())):
                break
            await asyncio.sleep(LOOK_SECONDS)

    def _all(self) -> Iterator[Guest]:
        for own in self._guests.values():
            yield from own

    def _guest(self) -> Guest:
        return Guest(self, self._limits, self._inner)

    # ── for its guests ───────────────────────────────────────────────────────────────────────────

    def admit(self, guest: Guest) -> bool:
        """Count a connection in. Where there is no room, one that asks for nothing has to go; else False."""
        own = self._guests.setdefault(guest.address, {})
        if len(own) >= self._limits.per_address and not self._make_room(own):
            log.info("refused %s: it has %d connections", guest.address, len(own))
            return False
        if self.count >= self._limits.connections and not self._make_room(self._silent):
            log.info("refused %s: all %d connections are taken", guest.address, self.count)
            self._forget_address(guest.address)
            return False
        self._guests.setdefault(guest.address, {})[guest] = None
        self.count += 1
        return True

    def silent(self, guest: Guest) -> None:
        """It asks for nothing now."""
        self._silent.pop(guest, None)
        self._silent[guest] = None

    def busy(self, guest: Guest) -> None:
        """It has asked for something."""
        self._silent.pop(guest, None)

    def gone(self, guest: Guest) -> None:
        """Count a connection out; calling it twice is harmless."""
        self._silent.pop(guest, None)
        own = self._guests.get(guest.address, {})
        if guest in own:
            del own[guest]
            self.count -= 1
        self._forget_address(guest.address)

    def _make_room(self, among: dict[Guest, None]) -> bool:
        """Drop whoever of these has asked for nothing for longest."""
        longest = next((each for each in among if each in self._silent), None)
        if longest is None:
            return False
        longest.drop()
        return True

    def _forget_address(self, address: str) -> None:
        if not self._guests.get(address, True):
            del self._guests[address]


@web.middleware
async def attended(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The first middleware: from here on a connection has asked for something, until it is answered."""
    protocol = request.transport.get_protocol() if request.transport is not None else None
    guest = protocol if isinstance(protocol, Guest) else None
    if guest is not None:
        guest.asks(request)
    try:
        return await handler(request)
    finally:
        if guest is not None:
            guest.is_answered()
