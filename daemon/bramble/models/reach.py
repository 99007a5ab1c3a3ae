"""Which servers a download may speak to: the internet's, and of this network only those that were named."""

import socket
from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

import msgspec

from bramble.errors import ModelUnavailable

NAT64 = ip_network("64:ff9b::/96")
PORTS = {"https": 443, "http": 80}

Address = IPv4Address | IPv6Address


class Target(msgspec.Struct, frozen=True):
    """A server and what is asked of it. `local`: it was named as one that may be on this network."""

    scheme: str
    host: str
    port: int
    path: str
    local: bool

    @property
    def origin(self) -> str:
        """For people, and for the Host header: without the port where it is the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def parse(url: str, local_hosts: Collection[str]) -> Target:
    """The target of a URL. Raises ModelUnavailable where a download may not go there whatever the address."""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise ModelUnavailable(f"{url!r} is no address of a file.") from None
    if parts.scheme not in PORTS or not host or parts.username is not None or not url.isascii():
        raise ModelUnavailable(f"{url!r} is no address that a file can be fetched from.", _HINT)
    port = PORTS[parts.scheme] if port is None else port
    path = parts.path or "/"
    target = Target(parts.scheme, host, port, path, local=_is_named(host, port, local_hosts))
    if parts.scheme == "http" and not target.local:
        raise ModelUnavailable(
            f"{target.origin} was to be asked without encryption; nothing is fetched like that.",
            _HINT,
        )
    if any(ord(letter) <= ord(" ") or letter == "\x7f" for letter in url):
        raise ModelUnavailable(f"{url!r} is no address of a file.")
    query = f"?{parts.query}" if parts.query else ""
    return msgspec.structs.replace(target, path=path + query)


def addresses(target: Target) -> list[str]:
    """The addresses of a target, to connect to these and no others: a name may mean another one the next moment.

    Raises OSError where the name is unknown, ModelUnavailable where one of them is not on the internet.
    """
    found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    texts = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    private = [text for text in texts if not is_public(text)]
    if private and not target.local:
        raise ModelUnavailable(
            f"{target.origin} is {private[0]}, on this network or machine: nothing is fetched from there.",
            _HINT,
        )
    return texts


def is_public(text: str) -> bool:
    """Whether an address is one of the internet's, also where it is wrapped in another."""
    try:
        address: Address = ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if address in NAT64:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return address.is_global and not address.is_multicast and not address.is_reserved


_HINT = "Name the host in models.local_hosts if it is one of yours."


def _is_named(host: str, port: int, local_hosts: Collection[str]) -> bool:
    names = {name.lower() for name in local_hosts}
    bracketed = f"[{host}]" if ":" in host else host
    return bool({host, bracketed, f"{bracketed}:{port}"} & names)
