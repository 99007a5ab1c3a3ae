"""Puts the model away after a quiet time; the next question, or somebody who begins to type, loads it again."""

import asyncio

from bramble.engine.client import Engine, EngineState, Phase
from bramble.scheduler import Scheduler


class Idle:
    """Watches from the start; `seconds` of quiet, 0 for never."""

    def __init__(self, engine: Engine, scheduler: Scheduler, seconds: float) -> None:
        self._engine, self._scheduler, self._seconds = engine, scheduler, seconds
        self._timer: asyncio.TimerHandle | None = None
        if seconds:
            engine.watch(self._look)
            scheduler.watch(self._look)

    def stop(self) -> None:
        """Put nothing away any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self, _: EngineState | None = None) -> None:
        """Somebody came or went: the quiet begins anew."""
        self.stop()
        quiet = not (self._scheduler.running or self._scheduler.waiting)
        if quiet and self._engine.state.phase is Phase.READY:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._rest)

    def _rest(self) -> None:
        self._engine.rest("Nobody has asked for a while.", until_asked=True)
