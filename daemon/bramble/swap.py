"""Another model, while people are being answered: it is verified and planned first, and nobody's answer is lost.

Where both fit the memory it loads beside the old one; else running answers finish and the queue waits.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import msgspec

from bramble.board import memory
from bramble.budget import Budget
from bramble.config import Config
from bramble.engine.client import Engine, EngineSpec
from bramble.engine.survey import Check, Plan
from bramble.engine.wire import Load, Ready
from bramble.errors import BadRequest, BrambleError, ModelUnavailable, Recovering
from bramble.models import choice
from bramble.models.library import verify
from bramble.scheduler import HELD_SECONDS, Scheduler
from bramble.survey import run

log = logging.getLogger("bramble")

DRAIN_SECONDS = 600.0
"""How long the last answer may take; then the old model stays."""

Stage = Literal["verifying", "planning", "waiting", "loading", "done", "failed"]


class Swap(msgspec.Struct, frozen=True):
    """How far the last change of the model is. `beside`: both are in memory meanwhile."""

    model: str
    stage: Stage
    beside: bool = False
    reason: str = ""
    hint: str = ""


@dataclass
class Plans:
    """How the new model would be held: beside the old one, and alone."""

    beside: Plan
    alone: Plan


class Swapper:
    """Changes the model that answers. `spec` is how the engine of a model is started."""

    def __init__(
        self,
        config: Config,
        engine: Engine,
        scheduler: Scheduler,
        budget: Budget,
        spec: Callable[[str], EngineSpec],
    ) -> None:
        self._config, self._spec = config, spec
        self._engine, self._scheduler, self._budget = engine, scheduler, budget
        self._watchers: list[Callable[[], None]] = []
        self.name = choice.chosen(config)
        """What answers now, as people call it."""
        self.last: Swap | None = None
        self._looked = ""
        self._task: asyncio.Task[None] | None = None

    @property
    def busy(self) -> bool:
        """Whether a change is going on."""
        return self.last is not None and self.last.stage not in ("done", "failed")

    def watch(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back when `last` changes; returns what ends that."""
        self._watchers.append(callback)
        return lambda: self._watchers.remove(callback)

    async def activate(self, name: str, *, remember: bool = True) -> Ready:
        """Answer with this model from now on, also after the next start where it is to be remembered.

        Raises NotFound, ModelUnavailable with the reason where the old model stays, Recovering, BadRequest.
        """
        if self.busy:
            raise BadRequest("Another model is being loaded.", "Wait until it answers.")
        if self._scheduler.held:
            raise Recovering("The board recovers; no other model is loaded now.", HELD_SECONDS)
        self._set(Swap(name, "verifying"))
        try:
            ready = await self._change(name)
        except BrambleError as error:
            log.warning("the model stays: %s", error.message)
            self._set(Swap(name, "failed", reason=error.message, hint=error.hint))
            raise
        except BaseException:
            self._set(Swap(name, "failed", reason="It was broken off."))
            raise
        if remember:
            await asyncio.to_thread(choice.remember, self._config, name)
        self.name = name
        self._set(Swap(name, "done"))
        return ready

    def look(self) -> None:
        """Somebody may have chosen another model with `bramble models use`; to be called every few seconds."""
        name = choice.remembered(self._config)
        if name not in ("", self.name, self._looked) and not self.busy:
            self._task = asyncio.create_task(self._follow(name))
        self._looked = name

    async def _follow(self, name: str) -> None:
        with suppress(BrambleError):  # it is logged, and told by `last`
            await self.activate(name)
            return
        # What cannot be used now is not what the next start should begin with.
        await asyncio.to_thread(choice.remember, self._config, self.name)

    async def _change(self, name: str) -> Ready:
        await asyncio.to_thread(verify, name, self._config.models_dir)
        self._set(Swap(name, "planning"))
        spec = self._spec(name)
        plans = await asyncio.to_thread(self._plan, spec)
        if not plans.alone.fits:
            reasons = plans.alone.reasons or ("It does not fit the memory.",)
            raise ModelUnavailable(f"{name} cannot be loaded. {reasons[0]}", plans.alone.advice)
        if plans.beside.fits and _held(plans.beside) == _held(plans.alone):
            self._set(Swap(name, "loading", beside=True))
            return await self._engine.move_in(spec)
        return await self._take_turns(name, spec)

    async def _take_turns(self, name: str, spec: EngineSpec) -> Ready:
        """Let running answers finish, then load; who comes meanwhile waits in the queue."""
        self._set(Swap(name, "waiting"))
        self._scheduler.pause()
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                await self._engine.quiet()
            self._set(Swap(name, "loading"))
            return await self._engine.replace(spec)
        except TimeoutError as error:
            raise ModelUnavailable(
                "An answer takes very long; the model was not changed.", "Try again later."
            ) from error
        finally:
            self._scheduler.go_on()

    def _plan(self, spec: EngineSpec) -> Plans:
        """In a thread: each takes a part of a second, in a process of its own, and reads no weight."""
        assert isinstance(spec.load, Load)
        load = self._budget.order(spec.load)
        held = memory.resident(self._engine.pids)
        alone = msgspec.structs.replace(load, memory=load.memory + held)
        return Plans(run(Check(load), spin=spec.spin), run(Check(alone), spin=spec.spin))

    def _set(self, swap: Swap) -> None:
        self.last = swap
        for watcher in list(self._watchers):
            watcher()


def _held(plan: Plan) -> tuple[int, int, bool]:
    """What people notice of how a model is held; anything less is no reason to have both in memory."""
    return plan.context, plan.slots, plan.repack
