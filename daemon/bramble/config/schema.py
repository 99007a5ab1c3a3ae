"""Every setting, declared once: name, type, bounds, unit, default and help. It knows no file."""

import os
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

from msgspec import Meta, Struct, field

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


def _xdg(variable: str, otherwise: str) -> Path:
    """A base directory of the XDG specification, which says that a relative value counts as unset."""
    named = Path(os.environ.get(variable, ""))
    return named if named.is_absolute() else Path.home() / otherwise


def _state_directory() -> Path | None:
    """The first of the folders that systemd made for this service, if it did."""
    first = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    return Path(first) if first else None


def _state_dir() -> Path:
    return _state_directory() or _xdg("XDG_STATE_HOME", ".local/state") / "bramble"


def _models_dir() -> Path:
    return (_state_directory() or _xdg("XDG_DATA_HOME", ".local/share") / "bramble") / "models"


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


class ThreadCounts(Struct, frozen=True):
    """Cores for writing answers and for reading prompts. What is not given is 0: as many as are fastest."""

    decode: Annotated[int, Meta(ge=1, le=256)] = 0
    prefill: Annotated[int, Meta(ge=1, le=256)] = 0


def thread_counts(setting: int | str | ThreadCounts) -> ThreadCounts:
    """What `engine.threads` means for both."""
    if isinstance(setting, ThreadCounts):
        return setting
    return ThreadCounts(setting, setting) if isinstance(setting, int) else ThreadCounts()


class EngineSettings(Struct, frozen=True):
    """The model and how it computes."""

    model: Annotated[
        str,
        Meta(
            min_length=1,
            description="Name from `bramble models list`, or path of a GGUF file; auto is models.default, the starter"
            " until that is here. What is chosen on the page counts more, until this setting changes.",
        ),
    ] = "auto"
    context: Annotated[
        int,
        Meta(
            ge=256,
            le=1_048_576,
            description="Tokens kept in memory for all answers together; the longest a conversation can be.",
        ),
    ] = 4096
    slots: Annotated[
        int, Meta(ge=1, le=16, description="Answers computed at once; others wait.")
    ] = 4
    threads: Annotated[
        Literal["auto"] | ThreadCounts | Annotated[int, Meta(ge=1, le=256)],
        Meta(
            description="Processor cores to compute on; auto measures how many are fastest, once for each model. Decode"
            " writes answers, prefill reads prompts."
        ),
    ] = "auto"
    idle_unload: Annotated[
        float,
        Meta(
            ge=0,
            le=86_400,
            description="Seconds without a question after which the model's memory is given back; 0 keeps it.",
        ),
    ] = 0.0
    batch: Annotated[int, Meta(ge=32, le=2048, description="Most tokens computed in one step.")] = (
        512
    )
    max_step_ms: Annotated[
        int,
        Meta(
            ge=20,
            le=5000,
            description="Milliseconds a step may take while someone is being answered.",
        ),
    ] = 250
    aside: Annotated[
        int,
        Meta(
            ge=0,
            le=65_536,
            description="Megabytes for conversations that make room for others, and for places to go back to.",
        ),
    ] = 48
    kept: Annotated[
        int,
        Meta(
            ge=0,
            le=1_048_576,
            description="Megabytes of the disk for what need not be computed again after a restart: system prompts, and"
            " conversations that were going on; 0 keeps nothing.",
        ),
    ] = 128
    draft: Annotated[
        int,
        Meta(
            ge=0,
            le=16,
            description="Most tokens guessed at once where a text repeats itself; 0 guesses nothing.",
        ),
    ] = 8
    nice: Annotated[
        int,
        Meta(
            ge=-20,
            le=19,
            description="Priority of computing as in nice(1); below 0 needs the right to raise it.",
        ),
    ] = 0
    ionice: Annotated[
        Literal["none", "idle"] | Annotated[int, Meta(ge=0, le=7)],
        Meta(
            description="Priority of reading from the disk as in ionice(1): 0 comes first, 7 last, idle when nobody"
            " else reads; none follows engine.nice."
        ),
    ] = "none"
    spin: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000_000,
            description="Turns a waiting thread spins before it sleeps (GOMP_SPINCOUNT).",
        ),
    ] = 100_000


class ChatSettings(Struct, frozen=True):
    """How conversations go."""

    system_prompt: Annotated[
        str, Meta(description="What the model is told before every conversation; may be empty.")
    ] = "You are Bramble, a helpful assistant. Answer clearly, in the language of the question."
    temperature: Annotated[
        float,
        Meta(
            ge=0,
            le=2,
            description="How freely answers on the page are worded; 0 takes the likeliest word.",
        ),
    ] = 0.6
    typing_ahead: Annotated[
        bool,
        Meta(
            description="Read what somebody is typing before they send it, while nothing else is to do."
        ),
    ] = True
    continue_after_restart: Annotated[
        bool,
        Meta(
            description="Go on by itself with answers that a power cut or restart broke off within the last hour."
        ),
    ] = True
    max_tokens: Annotated[
        int,
        Meta(
            ge=1,
            le=1_048_576,
            description="Tokens in the longest answer, unless an API client asks for another length.",
        ),
    ] = 1024


class CacheSettings(Struct, frozen=True):
    """Answers that are given again instead of being computed. Asking again in a conversation always computes."""

    enabled: Annotated[
        bool,
        Meta(
            description="Give the first question of a conversation the answer that somebody got to it before."
        ),
    ] = False
    answers: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Answers that are kept; the oldest go first.")
    ] = 500
    days: Annotated[
        float, Meta(gt=0, le=3650, description="Days after which an answer is computed anew.")
    ] = 30.0
    faq: Annotated[
        str,
        Meta(
            description="YAML file with questions and fixed answers to them, read again when it changes; empty: none."
        ),
    ] = ""


class StoreSettings(Struct, frozen=True):
    """How much is remembered. The conversations that rested longest go first."""

    max_mb: Annotated[
        int, Meta(ge=8, le=1_048_576, description="Megabytes that conversations may take on disk.")
    ] = 1024
    keep_days: Annotated[
        float,
        Meta(
            ge=0,
            le=36_500,
            description="Days after its last message that a conversation is deleted; 0 keeps it.",
        ),
    ] = 0.0


class QueueSettings(Struct, frozen=True):
    """Who waits when every slot is taken."""

    waiting: Annotated[
        int, Meta(ge=0, le=10_000, description="Requests that may wait; more are refused.")
    ] = 64
    per_person: Annotated[
        int, Meta(ge=1, le=10_000, description="Requests of one person that may wait.")
    ] = 8


class EmbeddingSettings(Struct, frozen=True):
    """A second model that turns texts into vectors, for /v1/embeddings."""

    model: Annotated[
        str,
        Meta(description="Path of an embedding model's GGUF file; empty switches embeddings off."),
    ] = ""
    context: Annotated[
        int,
        Meta(
            ge=64,
            le=32_768,
            description="Tokens of the longest text; never more than the model was trained on.",
        ),
    ] = 2048
    threads: Annotated[
        int,
        Meta(ge=1, le=256, description="Processor cores to embed on; chatting has the others."),
    ] = 1
    idle_unload: Annotated[
        float,
        Meta(
            ge=0,
            le=86_400,
            description="Seconds without a request after which its memory is given back; 0 keeps it.",
        ),
    ] = 300.0


class ModelsSettings(Struct, frozen=True):
    """Where models come from."""

    default: Annotated[
        str,
        Meta(
            min_length=1,
            description="Model fetched at the first start, which takes over from the starter where engine.model is auto"
            " and this board can hold it; none fetches nothing.",
        ),
    ] = "qwen2.5-0.5b-instruct"

    local_hosts: Annotated[
        tuple[str, ...],
        Meta(
            description="Hosts of this network that models may be fetched from, also without TLS, like nas.home:8000."
        ),
    ] = ()


class MemorySettings(Struct, frozen=True):
    """How much memory Bramble may take."""

    limit: Annotated[
        Literal["none"] | Annotated[int, Meta(ge=64, le=1_048_576)],
        Meta(
            description="Megabytes that Bramble may take in all; none takes what the machine has to give."
        ),
    ] = "none"
    reserve: Annotated[
        Literal["auto"] | Annotated[int, Meta(ge=0, le=1_048_576)],
        Meta(
            description="Megabytes left to everything else; auto is 5 % of the memory and at least 64."
        ),
    ] = "auto"


class HeatSettings(Struct, frozen=True):
    """When it is too hot."""

    soft: Annotated[
        float,
        Meta(ge=40, le=110, description="°C from which fewer cores compute, one less at a time."),
    ] = 80.0
    hard: Annotated[
        float,
        Meta(ge=40, le=110, description="°C from which half of the cores stop at once."),
    ] = 85.0


class GuardSettings(Struct, frozen=True):
    """What Bramble leaves to the machine, and when it slows down."""

    memory: MemorySettings = MemorySettings()
    heat: HeatSettings = HeatSettings()


class Config(Struct, frozen=True):
    """All settings. `state_dir` and `models_dir` follow systemd's StateDirectory, else the XDG folders."""

    server: ServerSettings = ServerSettings()
    engine: EngineSettings = EngineSettings()
    embedding: EmbeddingSettings = EmbeddingSettings()
    chat: ChatSettings = ChatSettings()
    store: StoreSettings = StoreSettings()
    cache: CacheSettings = CacheSettings()
    queue: QueueSettings = QueueSettings()
    guard: GuardSettings = GuardSettings()
    models: ModelsSettings = ModelsSettings()
    state_dir: Annotated[
        Path,
        Meta(
            description="Folder for conversations; under systemd $STATE_DIRECTORY.",
            examples=["~/.local/state/bramble"],
        ),
    ] = field(default_factory=_state_dir)
    models_dir: Annotated[
        Path,
        Meta(
            description="Folder for models; under systemd $STATE_DIRECTORY/models.",
            examples=["~/.local/share/bramble/models"],
        ),
    ] = field(default_factory=_models_dir)
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="How much is logged."),
    ] = "info"


def _kinds(struct: type[Struct]) -> dict[str, Any]:
    return get_type_hints(struct, include_extras=True)


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)


def _sections(struct: type[Struct], prefix: str = "") -> dict[str, type[Struct]]:
    """The groups of settings in `struct` and in these, by dotted name."""
    found: dict[str, type[Struct]] = {}
    for name, kind in _kinds(struct).items():
        if _is_section(kind):
            found |= {prefix + name: kind} | _sections(kind, f"{prefix}{name}.")
    return found


SECTIONS: dict[str, type[Struct]] = _sections(Config)
"""The groups of settings by dotted name, in the order they are shown; one that is inside another follows it."""

SETTINGS: dict[str, Any] = {
    prefix + name: kind
    for prefix, struct in {
        "": Config,
        **{f"{name}.": section for name, section in SECTIONS.items()},
    }.items()
    for name, kind in _kinds(struct).items()
    if not _is_section(kind)
}
"""What each setting takes, by its dotted name: an Annotated type whose Meta holds bounds and help."""
