"""One connection: a protocol in front of aiohttp's, with deadlines for a request's head, its body, and between two."""

import asyncio
from collections.abc import Callable
from enum import Enum, auto
from ipaddress import ip_address
from typing import Protocol, cast

from aiohttp import web

from bramble.config import LimitSettings

BODY_SECONDS = 18.0
BODY_RATE = 16_384
"""A body may take so long, and a second more for so many bytes that came; whoever reads it says so in words before."""

_REFUSAL = (
    b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
    b"Retry-After: 5\r\nConnection: close\r\n\r\n%s"
)


def _refusal(status: bytes, code: bytes, message: bytes) -> bytes:
    body = b'{"error":{"code":"%s","message":"%s"}}' % (code, message)
    return _REFUSAL % (status, len(body), body)


FULL = _refusal(b"503 Service Unavailable", b"busy", b"Too many connections are open.")
LATE = _refusal(b"408 Request Timeout", b"request_timeout", b"The request did not arrive in time.")


class Phase(Enum):
    """What a connection does."""

    IDLE = auto()
    HEAD = auto()
    BODY = auto()
    ASKING = auto()


class Host(Protocol):
    """Who counts the guests (`door.Door`)."""

    def admit(self, guest: "Guest") -> bool: ...
    def silent(self, guest: "Guest") -> None: ...
    def busy(self, guest: "Guest") -> None: ...
    def gone(self, guest: "Guest") -> None: ...


class Guest(asyncio.Protocol):
    """Passes everything on to `inner`'s protocol, if it is let in at all."""

    def __init__(
        self, host: Host, limits: LimitSettings, inner: Callable[[], asyncio.Protocol]
    ) -> None:
        self._host, self._limits = host, limits
        self._make_inner = inner
        self._inner: asyncio.Protocol | None = None
        self._transport: asyncio.Transport | None = None
        self._phase = Phase.HEAD
        self._deadline: asyncio.TimerHandle | None = None
        self._heard = False
        self._since, self._received = 0.0, 0
        self.address = ""

    # ── what the middleware tells ────────────────────────────────────────────────────────────────

    def asks(self, request: web.Request) -> None:
        """The head of a request is here; its body gets a deadline of its own."""
        self._phase = Phase.ASKING
        self._host.busy(self)
        self._disarm()
        if request.body_exists and not request.content.is_eof():
            self._phase, self._received = Phase.BODY, 0
            self._since = asyncio.get_running_loop().time()
            self._arm(BODY_SECONDS)
            request.content.on_eof(self._has_asked)

    def is_coming(self) -> bool:
        """Whether it has a request to tell, or may have: it is here, or has begun."""
        return self._phase is Phase.HEAD

    def is_answered(self) -> None:
        """Nothing is asked for any more."""
        if self._transport is not None:
            self._rest(Phase.IDLE, self._limits.idle)

    def drop(self) -> None:
        """End the connection at once, also where the other end takes nothing."""
        if self._transport is not None:
            self._host.gone(self)
            self._transport.abort()

    # ── what the transport tells ─────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.address = _address(transport.get_extra_info("peername"))
        if not self._host.admit(self):
            self._transport.write(FULL)
            self._transport.close()
            return
        self._rest(Phase.HEAD, self._limits.head)
        self._inner = self._make_inner()
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self._heard = True
        if self._phase is Phase.IDLE:
            self._rest(Phase.HEAD, self._limits.head)
        elif self._phase is Phase.BODY:
            self._received += len(data)
        if self._inner is not None:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received() if self._inner is not None else None

    def pause_writing(self) -> None:
        if self._inner is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        if self._inner is not None:
            self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._host.gone(self)
        self._disarm()
        self._transport = None
        if self._inner is not None:
            self._inner.connection_lost(exc)

    # ── deadlines ────────────────────────────────────────────────────────────────────────────────

    def _rest(self, phase: Phase, seconds: float) -> None:
        self._phase = phase
        self._host.silent(self)
        self._arm(seconds)

    def _arm(self, seconds: float) -> None:
        self._disarm()
        self._deadline = asyncio.get_running_loop().call_later(seconds, self._late)

    def _body_seconds(self) -> float:
        """How much longer the body may take at least, by what came of it."""
        elapsed = asyncio.get_running_loop().time() - self._since
        return BODY_SECONDS + self._received / BODY_RATE - elapsed

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _has_asked(self) -> None:
        if self._phase is Phase.BODY:
            self._phase = Phase.ASKING
            self._disarm()

    def _late(self) -> None:
        if self._phase is Phase.BODY and (more := self._body_seconds()) > 0:
            self._arm(more)
        elif self._phase is Phase.HEAD and self._heard and self._transport is not None:
            self._transport.write(LATE)
            self._transport.close()  # tells what was written; who does not read it is ended by the kernel
            self._host.gone(self)
        else:
            self.drop()


def _address(peer: object) -> str:
    """Whom a connection counts for: an IPv4 address also where it came through an IPv6 socket."""
    if not isinstance(peer, tuple):
        return ""
    name = str(cast(tuple[object, ...], peer)[0]).partition("%")[0]
    try:
        address = ip_address(name)
    except ValueError:
        return name
    return str(getattr(address, "ipv4_mapped", None) or address)
