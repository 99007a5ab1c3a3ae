"""What the supervisor of an engine tells about it and to whom, and what it asks before a load."""

import asyncio
from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

import msgspec

from bramble.engine import wire
from bramble.errors import ModelUnavailable


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


class Bulletin:
    """The newest state of an engine, for those who look, watch or wait."""

    def __init__(self) -> None:
        self.state = EngineState()
        self._watchers: list[Callable[[EngineState], None]] = []
        self._changed = asyncio.Event()

    def watch(self, callback: Callable[[EngineState], None]) -> Callable[[], None]:
        """Call back on every change of state; returns what ends that."""
        self._watchers.append(callback)
        return lambda: self._watchers.remove(callback)

    async def ready(self) -> wire.Ready:
        """Wait for readiness. Raises ModelUnavailable once the model has failed or the engine is stopped."""
        while self.state.phase is not Phase.READY or self.state.model is None:
            if self.state.phase in (Phase.FAILED, Phase.STOPPED):
                raise ModelUnavailable(self.state.reason, self.state.hint)
            await self._changed.wait()
        return self.state.model

    def update(self, **changes: object) -> None:
        """The same as before but for these."""
        self.tell(msgspec.structs.replace(self.state, **changes))

    def tell(self, state: EngineState) -> None:
        """This is how it is now."""
        self.state = state
        self._changed.set()
        self._changed = asyncio.Event()
        for watcher in list(self._watchers):
            watcher(state)
