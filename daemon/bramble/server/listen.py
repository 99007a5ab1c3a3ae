"""The socket that Bramble listens on, and what every connection inherits from it."""

import errno
import socket

from bramble.errors import BrambleError

STUCK_MS = 30_000
"""A client that takes nothing for so long is dropped by the kernel, which costs no timer for each token."""
ASK_AFTER, ASK_EVERY = 15, 5
"""Seconds of silence after which the kernel asks whether the other end is there, and from then on."""


class CannotListen(BrambleError):
    """The address cannot be used; the message says why."""

    code = "cannot_listen"


def listen(host: str, port: int, setting: str = "server.port") -> socket.socket:
    """A listening socket on `host`; "*" is every address, IPv4 and IPv6. Raises CannotListen."""
    try:
        return with_deadline(_everywhere(port) if host == "*" else _on(host, port))
    except OSError as error:
        where = f"port {port}" if host == "*" else f"{host} port {port}"
        if error.errno == errno.EADDRINUSE:
            advice = f"another program uses it; stop that one or take another port ({setting})"
            raise CannotListen(f"Cannot listen on {where}: {advice}.") from error
        raise CannotListen(f"Cannot listen on {where}: {error.strerror or error}.") from error


def with_deadline(listener: socket.socket) -> socket.socket:
    """Have the kernel end connections whose other end has stopped reading, or is not there any more."""
    for option, value in (
        (socket.TCP_USER_TIMEOUT, STUCK_MS),
        (socket.TCP_KEEPIDLE, ASK_AFTER),
        (socket.TCP_KEEPINTVL, ASK_EVERY),
    ):
        listener.setsockopt(socket.IPPROTO_TCP, option, value)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return listener


def _everywhere(port: int) -> socket.socket:
    try:
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    except OSError as error:
        if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            raise
        return socket.create_server(("", port))  # IPv6 is switched off here


def _on(host: str, port: int) -> socket.socket:
    family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    return socket.create_server(address, family=family)
