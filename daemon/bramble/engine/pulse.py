"""Signs of life of one engine process: asked for once a second, waited for with patience."""

import asyncio
import logging

from bramble.engine import wire
from bramble.engine.process import EngineProcess

log = logging.getLogger("bramble.engine")

PING_SECONDS = 1.0
SILENCE_RUNNING = 15.0
"""Seconds without a word before a running engine counts as hung, on top of four times its slowest step."""
SILENCE_LOADING = 60.0
"""The same while it loads: a slow card delivers a percent in well under a second."""


class Pulse:
    """Of one process; `lost` is whether it was ended because it had been silent for too long."""

    def __init__(self, process: EngineProcess) -> None:
        self._process = process
        self._silence = self._slowest_step = 0.0
        self._running = self.lost = False

    def feel(self, message: wire.ToDaemon) -> None:
        """It said something."""
        self._silence = 0.0
        self._running = self._running or isinstance(message, wire.Ready)
        if isinstance(message, wire.Pong):
            self._slowest_step = message.slowest_step_ms

    async def watch(self) -> None:
        """Ask the engine's own loop for a sign of life; end the process when it has been silent for too long.

        Silence is counted in ticks of this loop: a suspended machine or a stalled daemon blames nobody.
        """
        n = 0
        while not self._process.ended:
            await asyncio.sleep(PING_SECONDS)
            n += 1
            self._process.send(wire.Ping(n))
            self._silence += PING_SECONDS
            if self._silence > self._patience():
                log.error("the engine has been silent for %.0f s; ending it", self._silence)
                self.lost = True
                self._process.kill()
                return

    def _patience(self) -> float:
        if self._running:
            return SILENCE_RUNNING + 4 * self._slowest_step / 1000
        return SILENCE_LOADING
