"""Looks at memory and heat once a second, and at once when memory pressure rises; tells the guard's changes.

It acts on nothing: who gives something up subscribes here.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from bramble.board import info, memory, pressure
from bramble.board.files import MACHINE
from bramble.board.guard import Guard
from bramble.board.heat import Heat, Sensors, Throttle
from bramble.board.levels import Change, Reading
from bramble.board.memory import MEGABYTE, Memory
from bramble.board.pressure import Alarm, Pressure
from bramble.config import GuardSettings

log = logging.getLogger("bramble.board")

TICK = 1.0
SOON = 0.1
"""Seconds from one look to the next: at most, and at least where memory pressure wakes it."""


class Facts(NamedTuple):
    """What one look saw: for metrics and for whoever plans what fits."""

    memory: Memory
    pressure: Pressure | None
    heat: Heat


class Needs(NamedTuple):
    """What Bramble is doing meanwhile: see `Reading`. `processes` are the ids of all that are Bramble."""

    owed: int = 0
    answering: int = 0
    processes: tuple[int, ...] = ()


def bounds(settings: GuardSettings) -> dict[str, int | None]:
    """The settings as `memory.read` takes them, in bytes."""
    limit, reserve = settings.memory.limit, settings.memory.reserve
    return {
        "limit": None if limit == "none" else limit * MEGABYTE,
        "reserve": None if reserve == "auto" else reserve * MEGABYTE,
    }


class Watch:
    """Watches from `start` to `stop`; `cores` compute when all is well.

    It has a thread of its own: a machine short of memory takes long to answer, and it costs half of what tasks do.
    `needs` is asked at every look, from that thread. Changes are told in the event loop; `state`
    and the last `change` follow there.
    """

    def __init__(
        self,
        settings: GuardSettings,
        *,
        cores: int,
        needs: Callable[[], Needs] = Needs,
        root: Path = MACHINE,
    ) -> None:
        self._bounds = bounds(settings)
        self._needs, self._root = needs, root
        self._sensors = Sensors(root)
        self._guard = Guard(
            cores=cores,
            soft=settings.heat.soft,
            hard=settings.heat.hard,
            machine=info.read(root).noun,
        )
        self._watchers: list[Callable[[Change], None]] = []
        self._alarm = Alarm()
        self._thread: threading.Thread | None = None
        self._leaving = False
        self.state = self._guard.state
        self.change: Change | None = None
        self.facts: Facts | None = None

    def watch(self, callback: Callable[[Change], None]) -> Callable[[], None]:
        """Call back on every change; returns what ends that."""
        self._watchers.append(callback)
        return lambda: self._watchers.remove(callback)

    def start(self) -> None:
        """Begin. What this board does not tell is logged once, here."""
        for absence in self._sensors.absences:
            log.info("%s", absence)
        if self._root == MACHINE:  # a recorded board has no kernel to wake anybody
            try:
                self._alarm.listen()
            except OSError as error:
                log.info("Memory pressure wakes nobody (%s): it is looked at.", error.strerror)
        loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, args=(loop,), name="board-watch")
        self._thread.start()

    async def stop(self) -> None:
        """End it; takes as long as a look, milliseconds."""
        self._leaving = True
        self._alarm.ring()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)
        self._alarm.close()

    def look(self) -> Change | None:
        """One look; what changes by it, if anything does."""
        needs = self._needs()
        used = memory.resident(needs.processes, self._root) if self._bounds["limit"] else 0
        self.facts = Facts(
            memory.read(self._root, **self._bounds, used=used),
            pressure.read(self._root),
            self._sensors.read(),
        )
        return self._guard.update(reading(self.facts, needs, time.monotonic()))

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        while not self._leaving:
            try:
                if change := self.look():
                    loop.call_soon_threadsafe(self._tell, change)
            except Exception:
                log.exception("the board could not be looked at")
            if self._alarm.wait(TICK):
                time.sleep(SOON)

    def _tell(self, change: Change) -> None:
        log.warning("%s", change.sentence)
        self.state, self.change = change.state, change
        for watcher in list(self._watchers):
            watcher(change)


def reading(facts: Facts, needs: Needs, at: float) -> Reading:
    """What the guard is told of what was seen."""
    throttle = facts.heat.throttle or Throttle(0)
    stalls = facts.pressure or Pressure(0.0, 0.0)
    return Reading(
        at=at,
        left=facts.memory.tightest.left,
        reserve=facts.memory.tightest.reserve,
        owed=needs.owed,
        answering=needs.answering,
        some=stalls.some,
        full=stalls.full,
        celsius=facts.heat.celsius,
        throttled=throttle.is_hot,
        weak_supply=throttle.is_weak,
    )
