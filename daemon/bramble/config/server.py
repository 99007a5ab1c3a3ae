"""The settings of what listens: who may come, how often, how much of it, and encryption."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Literal

from msgspec import Meta, Struct

Network = IPv4Network | IPv6Network

HOME_NETWORKS: tuple[Network, ...] = tuple(
    ip_network(network)
    for network in (
        "127.0.0.0/8",
        "::1/128",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "fc00::/7",
        "169.254.0.0/16",
        "fe80::/10",
    )
)
"""Loopback, private (RFC 1918, RFC 4193) and link-local addresses."""


class LimitSettings(Struct, frozen=True):
    """How much of Bramble a stranger may hold. Connections that ask for nothing make room for new ones."""

    connections: Annotated[
        int, Meta(ge=8, le=65_536, description="Connections that may be open at once.")
    ] = 2048
    per_address: Annotated[
        int,
        Meta(
            ge=4,
            le=65_536,
            description="Connections of one address; a household behind a proxy has one address.",
        ),
    ] = 256
    head: Annotated[
        float,
        Meta(ge=1, le=600, description="Seconds in which a request's headers must have come."),
    ] = 10.0
    idle: Annotated[
        float,
        Meta(ge=1, le=3600, description="Seconds that a connection may wait for its next request."),
    ] = 75.0


class RateSettings(Struct, frozen=True):
    """How often anybody may ask. Who asks more often is told when to come back; others notice nothing."""

    requests: Annotated[
        int,
        Meta(ge=10, le=1_000_000, description="Requests of one address in a minute."),
    ] = 6000
    answers: Annotated[
        int,
        Meta(ge=1, le=100_000, description="Answers that one person may begin in a minute."),
    ] = 600


class TlsSettings(Struct, frozen=True):
    """A certificate for https; without one Bramble speaks plain http. `bramble tls` makes one."""

    certificate: Annotated[
        str, Meta(description="PEM file of the certificate and what it is signed by.")
    ] = ""
    key: Annotated[str, Meta(description="PEM file of its key.")] = ""


class ServerSettings(Struct, frozen=True):
    """Where Bramble listens and who may speak to it."""

    host: Annotated[
        str,
        Meta(min_length=1, description="Address to listen on; * is every address, IPv4 and IPv6."),
    ] = "*"
    port: Annotated[
        int, Meta(ge=0, le=65535, description="Port to listen on; 0 is any free one.")
    ] = 8080
    ollama_port: Annotated[
        Literal["none"] | Annotated[int, Meta(ge=1, le=65535)],
        Meta(
            description="A second port for programs that look for Ollama at 11434; none opens no other."
        ),
    ] = "none"
    agent_port: Annotated[
        Literal["none"] | Annotated[int, Meta(ge=1, le=65535)],
        Meta(
            description="A port where a load balancer is told how busy this one is (HAProxy's agent-check); none opens"
            " no such port."
        ),
    ] = "none"
    names: Annotated[
        tuple[str, ...],
        Meta(description="Further host names the page may be opened under, like chat.home."),
    ] = ()
    allow: Annotated[
        tuple[Network, ...],
        Meta(description="Networks whose devices may connect; everyone else is turned away."),
    ] = HOME_NETWORKS
    access: Annotated[
        Literal["open", "private"],
        Meta(
            description="open lets every device of these networks chat; private wants everybody to sign in. To change"
            " the appliance needs the admin password in both."
        ),
    ] = "open"
    trusted_proxies: Annotated[
        tuple[Network, ...],
        Meta(
            description="Addresses of proxies in front of Bramble, believed when they say who is asking"
            " (X-Forwarded-For, X-Forwarded-Proto)."
        ),
    ] = ()
    drain: Annotated[
        float,
        Meta(ge=0, le=60, description="Seconds that running answers may go on when Bramble stops."),
    ] = 5.0
    power: Annotated[
        bool,
        Meta(
            description="Whether the admin may switch the machine off and reboot it from the page."
        ),
    ] = False
    limits: LimitSettings = LimitSettings()
    rates: RateSettings = RateSettings()
    tls: TlsSettings = TlsSettings()
