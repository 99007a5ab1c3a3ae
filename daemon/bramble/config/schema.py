"""Every setting, declared once: name, type, bounds, unit, default and help. It knows no file."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

from msgspec import Meta, Struct, field

from bramble.config.chat import CacheSettings, ChatSettings, QueueSettings, StoreSettings
from bramble.config.engine import EngineSettings, WorkerSettings
from bramble.config.server import ServerSettings


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
    worker: WorkerSettings = WorkerSettings()
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
