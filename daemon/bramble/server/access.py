"""Who may speak: devices of the home network, under a name that is this machine's, from its own page, as themselves.

Name and origin are checked against pages of other sites in a visitor's browser: DNS rebinding, cross-site sockets.
"""

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address

from aiohttp import web
from aiohttp.typedefs import Handler

from bramble.access.buckets import Buckets
from bramble.access.keeper import Keeper
from bramble.config import ServerSettings
from bramble.errors import TooMany
from bramble.server.errors import Refused
from bramble.server.identity import WHO, require_admin
from bramble.server.proxies import address

READING = frozenset({"GET", "HEAD", "OPTIONS"})
FOR_ALL = frozenset({"/", "/health", "/healthz", "/readyz", "/api/session", "/api/password"})
"""Routes that nobody needs to sign in for: the page can ask for the password, and machines look after the machine."""
STATIC = "/static/"
ADMIN = "/api/admin/"
SESSION = "bramble-session"
"""The cookie of who is signed in."""


def peer(request: web.Request) -> IPv4Address | IPv6Address:
    """Who is asking: an IPv4 address also where it came through an IPv6 socket. Raises Refused where it has none."""
    found = address(request.remote or "")
    if found is None:
        raise Refused(403, "forbidden", "Only network connections are served.")
    return found


class Access:
    """The guard at the door."""

    def __init__(self, settings: ServerSettings, keeper: Keeper) -> None:
        machine = socket.gethostname().lower().partition(".")[0]
        own = {"localhost", machine, f"{machine}.local", socket.gethostname().lower()}
        self._names = own | {name.lower().rstrip(".") for name in settings.names}
        self._networks = settings.allow
        self._private = settings.access == "private"
        self._keeper = keeper
        per_minute = settings.rates.requests
        self._rates = Buckets(per_minute, 60 / per_minute)

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Middleware that turns away whoever may not speak."""
        self._check_peer(request)
        self._check_name(request)
        self._check_origin(request)
        self._check_rate(request)
        await self._check_identity(request)
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
        """An exact origin where a browser tells one; else what it says of the page that asks (Fetch Metadata)."""
        upgrade = "upgrade" in request.headers.get("Connection", "").lower()
        origin = request.headers.get("Origin")
        if origin is None and _is_elsewhere(request):
            raise Refused(403, "forbidden", OTHER_SITES)
        if origin is None or (request.method in READING and not upgrade):
            return
        if origin.lower() != f"{request.scheme}://{request.headers.get('Host', '')}".lower():
            raise Refused(403, "forbidden", OTHER_SITES)

    def _check_rate(self, request: web.Request) -> None:
        if wait := self._rates.take(str(peer(request))):
            raise TooMany("This address asks too often.", wait)

    async def _check_identity(self, request: web.Request) -> None:
        route = _route(request)
        free = route in FOR_ALL or route.startswith(STATIC)
        who = request[WHO] = await self._keeper.identify(
            request.headers.get("Authorization", ""),
            request.cookies.get(SESSION, ""),
            peer(request),
            must=not free and (self._private or route.startswith(ADMIN)),
        )
        if route.startswith(ADMIN):
            require_admin(request)
        elif self._private and not free and not who.known:
            raise Refused(401, "sign_in", "Everybody signs in here first.", "Sign in first.")


OTHER_SITES = "Pages of other sites may not speak to this appliance."


def _is_elsewhere(request: web.Request) -> bool:
    """Whether a page of another site asks, other than by a link to the page: its picture, its frame, its script."""
    site = request.headers.get("Sec-Fetch-Site", "none")
    follows = request.headers.get("Sec-Fetch-Dest") == "document" and request.method == "GET"
    return site in ("cross-site", "same-site") and not (follows and request.path == "/")


def _route(request: web.Request) -> str:
    """The route as it was declared, not as the path is written; where there is none the path."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else request.path


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
