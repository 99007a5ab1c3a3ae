"""The first start: the starter answers at once while the default model is fetched, which then takes over by itself."""

import asyncio
import logging
from collections.abc import Callable
from itertools import chain, repeat
from typing import Literal

import msgspec

from bramble.board import memory
from bramble.config import Config
from bramble.errors import BrambleError, NotFound
from bramble.models import choice
from bramble.models.catalogue import find
from bramble.models.fetches import Fetches
from bramble.models.fit import fits
from bramble.models.library import is_present
from bramble.swap import Swapper

log = logging.getLogger("bramble")

AGAIN_SECONDS = (30.0, 60.0, 300.0, 900.0, 3600.0)
"""Where it could not be fetched: this long until it is tried again."""


class Coming(msgspec.Struct, frozen=True):
    """What will take over. `done` of `size` bytes are here; `offline`: it could not be fetched, for this `reason`."""

    model: str
    stage: Literal["fetching", "offline", "loading", "failed"]
    done: int = 0
    size: int = 0
    reason: str = ""


class Takeover:
    """Runs from `start` to `stop`, where there is something to wait for; whoever chooses a model ends it."""

    def __init__(self, config: Config, fetches: Fetches, swapper: Swapper) -> None:
        self._config, self._fetches, self._swapper = config, fetches, swapper
        self._watchers: list[Callable[[], None]] = []
        self._task: asyncio.Task[None] | None = None
        self.coming: Coming | None = None

    def watch(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back when `coming` changes; returns what ends that."""
        self._watchers.append(callback)
        return lambda: self._watchers.remove(callback)

    def start(self) -> None:
        """Look whether there is something to do, and do it beside everything else."""
        if name := choice.awaited(self._config):
            self._task = asyncio.create_task(self._run(name))

    async def stop(self) -> None:
        """What is fetched so far stays."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self, name: str) -> None:
        try:
            model = find(name, self._config.models_dir)
        except NotFound as error:
            self._set(Coming(name, "failed", reason=error.message))
            return
        if not fits(model.size, memory.read().lowest.most):
            log.info("the starter stays: this board cannot hold %s", name)
            return
        for wait in chain(AGAIN_SECONDS, repeat(AGAIN_SECONDS[-1])):
            if await self._try(name, model.title):
                return
            await asyncio.sleep(wait)

    async def _try(self, name: str, title: str) -> bool:
        """Whether nothing is left to do."""
        try:
            if not is_present(find(name, self._config.models_dir), self._config.models_dir):
                await self._bring(name, title)
            if self._is_overruled:
                self._set(None)
                return True
            self._set(Coming(title, "loading"))
            await self._swapper.activate(name, remember=False)
            self._set(None)
        except BrambleError as error:
            here = is_present(find(name, self._config.models_dir), self._config.models_dir)
            stage = "failed" if here else "offline"
            log.warning("the starter stays for now: %s", error.message)
            self._set(Coming(title, stage, reason=error.message))
            return self._is_overruled
        return True

    async def _bring(self, name: str, title: str) -> None:
        fetch = self._fetches.start(name)

        def progress() -> None:
            self._set(Coming(title, "fetching", fetch.done, fetch.size))

        progress()
        unwatch = self._fetches.watch(progress)
        try:
            await self._fetches.end(fetch)
        finally:
            unwatch()

    @property
    def _is_overruled(self) -> bool:
        """Somebody chose a model meanwhile."""
        return bool(choice.remembered(self._config))

    def _set(self, coming: Coming | None) -> None:
        if coming != self.coming:
            self.coming = coming
            for watcher in list(self._watchers):
                watcher()
