"""What a load balancer in front of several Brambles is told of this one: HAProxy's agent-check, a line a connection.

`up` with a weight in percent, or `down` with a reason (https://docs.haproxy.org/2.6/configuration.html#agent-check).
Nothing is said of `drain` and `ready`: these are what people order.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from socket import socket

from bramble.config import Network
from bramble.server.frames import State
from bramble.server.proxies import address
from bramble.server.status import ANSWERING

log = logging.getLogger("bramble.server")

MOST, LEAST = 100, 1
"""Weights in percent: with nobody waiting, and the least, as at 0 nobody at all would be sent."""


class Agent:
    """Tells the `allow`ed networks on these listeners how `state` is. Opened and closed once."""

    def __init__(
        self, listeners: Sequence[socket], allow: Sequence[Network], state: Callable[[], State]
    ) -> None:
        self._listeners, self._allow, self._state = listeners, allow, state
        self._servers: list[asyncio.Server] = []
        self._leaving = False

    async def open(self) -> None:
        """From now on whoever connects is told."""
        for listener in self._listeners:
            self._servers.append(await asyncio.start_server(self._tell, sock=listener))

    def leave(self) -> None:
        """Say from now on that nobody is to come: what runs is finished, then this one is gone."""
        self._leaving = True

    def close(self) -> None:
        """Tell nobody any more."""
        for server in self._servers:
            server.close()

    async def _tell(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            asks = address(writer.get_extra_info("peername")[0])
            if asks is not None and any(asks in network for network in self._allow):
                writer.write(self.line().encode() + b"\n")
                await writer.drain()
        except OSError as error:
            log.debug("a load balancer did not wait for the line: %s", error.strerror)
        finally:
            writer.close()

    def line(self) -> str:
        """How it is now."""
        if self._leaving:
            return "down # leaving"
        state = self._state()
        if state.phase not in ANSWERING:
            return f"down # {state.phase}"
        return f"up {weight(state)}%"


def weight(state: State) -> int:
    """The share of what is new that this one is to have: full where nobody waits, half where as many wait as there are
    slots. Whom it answers the balancer sees itself, and sooner.
    """
    return max(LEAST, round(MOST * state.slots / (state.slots + state.waiting)))
