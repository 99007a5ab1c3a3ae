"""Who may speak: devices of the home network, under a name that is this machine's, from its own page.

Name and origin are checked against pages of other sites in a visitor's browser: DNS rebinding, cross-site sockets.
"""

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address

from aiohttp import web
from aiohttp.typedefs import Handler

from bramble.config import ServerSettings
from bramble.server.errors import Refused

READING = frozenset({"GET", "HEAD", "OPTIONS"})


def peer(request: web.Request) -> IPv4Address | IPv6Address:
    """Who is asking: an IPv4 address also where it came through an IPv6 socket. Raises Refused where it has none."""
    try:
        address = ip_address((request.remote or "").partition("%")[0])
    except ValueError as error:
        raise Refused(403, "forbidden", "Only network connections are served.") from error
    return getattr(address, "ipv4_mapped", None) or address


class Access:
    """The guard at the door."""

    def __init__(self, settings: ServerSettings) -> None:
        machine = socket.gethostname().lower().partition(".")[0]
        own = {"localhost", machine, f"{machine}.local", socket.gethostname().lower()}
        self._names = own | {name.lower().rstrip(".") for name in settings.names}
        self._networks = settings.allow

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Middleware that turns away whoever may not speak."""
        self._check_peer(request)
        self._check_name(request)
        self._check_origin(request)
        return await handler(request)

    def _check_peer(self, request: web.Request) -> None:
        address = peer(request)
        if not any(address in network for network in self._networks):
            raise Refused(
                403,
                "forbidden",
                f"{address} is not in a network that may connect.",
                "Add its network to server.allow in the configuration.",
            )

    def _check_name(self, request: web.Request) -> None:
        name = _name(request.headers.get("Host", ""))
        if name not in self._names and not _is_address(name):
            raise Refused(
                421,
                "unknown_host",
                f"This appliance is not known as {name[:253]!r}.",
                "Add the name to server.names in the configuration, or use the address.",
            )

    def _check_origin(self, request: web.Request) -> None:
        upgrade = "upgrade" in request.headers.get("Connection", "").lower()
        origin = request.headers.get("Origin")
        if origin is None or (request.method in READING and not upgrade):
            return
        if origin.lower() != f"{request.scheme}://{request.headers.get('Host', '')}".lower():
            raise Refused(403, "forbidden", "Pages of other sites may not speak to this appliance.")


def _name(host: str) -> str:
    """The name in a Host header, without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].rstrip(".").lower()


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
