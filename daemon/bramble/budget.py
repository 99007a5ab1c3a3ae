"""What memory the next engine may plan with. After the kernel ended one for want of memory, less than that one had."""

import logging
from collections.abc import Callable
from pathlib import Path

import msgspec

from bramble.board import memory, oom
from bramble.board.files import MACHINE
from bramble.board.watch import bounds
from bramble.config import GuardSettings
from bramble.engine.wire import Load

log = logging.getLogger("bramble")

LESS = 0.8
"""Part of what the ended engine held that the next one may take."""
KILLED = "The kernel ended the model process because memory ran out; the next one takes less."


class Budget:
    """Bounds each load. `processes` are the ids of all that are Bramble but the engine."""

    def __init__(
        self,
        settings: GuardSettings,
        *,
        processes: Callable[[], tuple[int, ...]],
        root: Path = MACHINE,
    ) -> None:
        self._bounds, self._root = bounds(settings), root
        self._processes = processes
        self.held = 0
        """The most bytes that the engine was seen to hold."""
        self._last = 0
        self._kills = oom.kills(root)
        self._most: int | None = None

    def order(self, load: Load) -> Load:
        """The order with the memory that is there now, less the room that keeps the guards calm."""
        used = memory.resident(self._processes(), self._root) if self._bounds["limit"] else 0
        least = memory.read(self._root, **self._bounds, used=used).least
        room = max(1, least.left - least.reserve)
        if self._most is not None and self._most < room:
            log.warning("the model may take %d MB: less than before", self._most // 1_000_000)
            room = self._most
        return msgspec.structs.replace(load, memory=room)

    def ended(self) -> None:
        """The engine is gone: the next one is weighed anew."""
        self._last, self.held = self.held or self._last, 0

    def killed(self) -> str:
        """An engine was killed, and not by us: the sentence for it where memory was the reason, else nothing."""
        kills = oom.kills(self._root)
        if kills == self._kills:
            return ""
        self._kills = kills
        self._most = int((self.held or self._last) * LESS) or None
        return KILLED

    def relax(self) -> None:
        """What was taken before no longer bounds anything: less cannot hold the model, or there is memory again."""
        self._most = None
