"""What the supervisor of an engine tells about it, and what it asks before a load."""

from enum import StrEnum
from typing import Protocol

import msgspec

from bramble.engine import wire


class Ration(Protocol):
    """Bounds what an engine takes: see `bramble.budget`."""

    def order(self, load: wire.Load) -> wire.Load:
        """What to load now."""
        ...

    def killed(self) -> str:
        """Somebody else killed it: one sentence where memory was the reason, else nothing."""
        ...

    def relax(self) -> None:
        """The last bound was too narrow for the model."""
        ...


class Phase(StrEnum):
    """What the engine is doing."""

    STARTING = "starting"
    LOADING = "loading"
    READY = "ready"
    RESTARTING = "restarting"
    RESTING = "resting"
    FAILED = "failed"
    STOPPED = "stopped"


class EngineState(msgspec.Struct, frozen=True):
    """A snapshot for people: `fraction` is 0..1 while loading, `reason` and `hint` are sentences or empty."""

    phase: Phase = Phase.STARTING
    fraction: float = 0.0
    reason: str = ""
    hint: str = ""
    model: wire.Ready | None = None
    pid: int | None = None
    restarts: int = 0
