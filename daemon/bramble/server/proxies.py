"""What a proxy in front of Bramble says of who is asking, believed where the proxy is a trusted one."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from aiohttp import web
from aiohttp.typedefs import Handler

from bramble.config import Network

Address = IPv4Address | IPv6Address


class Proxies:
    """Knows the trusted ones."""

    def __init__(self, trusted: Sequence[Network]) -> None:
        self._trusted = trusted

    @web.middleware
    async def look_behind(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Middleware that tells everybody after it who asked the proxy, and how."""
        if self._trusted and self._is_trusted(address(request.remote or "")):
            remote = self._client(request.headers.getall("X-Forwarded-For", []))
            scheme = request.headers.get("X-Forwarded-Proto", "").strip().lower()
            request = request.clone(
                remote=remote or request.remote or "",
                scheme=scheme if scheme in ("http", "https") else request.scheme,
            )
        return await handler(request)

    def _client(self, headers: Sequence[str]) -> str:
        """The last address that no trusted proxy has: what stands before it anybody can have written."""
        chain = [part.strip() for header in headers for part in header.split(",")]
        for text in reversed(chain):
            if not self._is_trusted(address(text)):
                return text
        return chain[0] if chain else ""

    def _is_trusted(self, which: Address | None) -> bool:
        return which is not None and any(which in network for network in self._trusted)


def address(text: str) -> Address | None:
    """An address as text: an IPv4 one also where it came through an IPv6 socket; None where it is none."""
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
