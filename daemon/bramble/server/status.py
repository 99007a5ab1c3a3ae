"""What the engine is doing and for how many, as everybody outside is told it."""

import time
from collections.abc import Callable

from aiohttp import web

from bramble.board.levels import Change, Level
from bramble.board.watch import Watch
from bramble.chat.salvage import Damage
from bramble.chat.store import Store
from bramble.config import EngineSettings
from bramble.engine.client import Engine, EngineState, Phase
from bramble.engine.wire import Ready
from bramble.scheduler import Scheduler
from bramble.server.errors import json_response
from bramble.server.frames import Guard, State, StoreNotice
from bramble.swap import Swapper
from bramble.takeover import Coming, Takeover

RETRY_SECONDS = "2"
"""Retry-After of /readyz while there is no model."""
STUCK_SECONDS = 180.0
"""An engine that is being started and shows no change for so long is not being started any more."""
ANSWERING = {Phase.READY, Phase.RESTING}
"""A question is answered; one that finds the model at rest wakes it, unless `Scheduler.held`."""
SETTLED = {Phase.READY, Phase.RESTING, Phase.FAILED, Phase.STOPPED}


class Status:
    """Watches engine, queue, board and store; remembers the model while the engine is started again."""

    def __init__(
        self,
        engine: Engine,
        scheduler: Scheduler,
        board: Watch,
        store: Store,
        settings: EngineSettings,
        takeover: Takeover,
        swapper: Swapper,
    ) -> None:
        self._takeover, self._swapper = takeover, swapper
        self._engine, self._scheduler, self._settings = engine, scheduler, settings
        self._board, self._store = board, store
        self._changed = time.monotonic()
        self.model: Ready | None = None
        engine.watch(self._remember)

    def watch(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back on every change; returns what ends that."""
        end_engine = self._engine.watch(lambda _: callback())
        end_scheduler = self._scheduler.watch(callback)
        end_board = self._board.watch(lambda _: callback())
        end_takeover = self._takeover.watch(callback)
        end_swapper = self._swapper.watch(callback)
        end_store = self._store.watch(callback)

        def end() -> None:
            end_engine()
            end_scheduler()
            end_board()
            end_takeover()
            end_swapper()
            end_store()

        return end

    def frame(self) -> State:
        """The state as it is now."""
        state = self._engine.state
        return State(
            phase=state.phase.value,
            fraction=round(state.fraction, 3),
            reason=state.reason,
            hint=state.hint,
            model=self.model.name if self.model else None,
            context=self.model.context if self.model else self._settings.context,
            running=self._scheduler.running,
            waiting=self._scheduler.waiting,
            slots=self.model.slots if self.model else self._settings.slots,
            guard=_guard(self._board.change),
            coming=self._coming(),
            store=_store(self._store.damage),
            notes=state.model.notes if state.model else (),
        )

    async def alive(self, _: web.Request) -> web.Response:
        """GET /healthz: the loop turns."""
        return json_response({"status": "alive"})

    async def ready(self, _: web.Request) -> web.Response:
        """GET /readyz: 200 where a question would be answered now, else 503 with the reason."""
        frame = self.frame()
        body = {
            "status": frame.phase,
            "fraction": frame.fraction,
            "reason": frame.reason,
            "hint": frame.hint,
            "model": frame.model,
            "guard": frame.guard,
            "notes": frame.notes,
        }
        if self._engine.state.phase in ANSWERING and not self._scheduler.held:
            return json_response(body)
        response = json_response(body, status=503)
        response.headers["Retry-After"] = RETRY_SECONDS
        return response

    def sentence(self) -> str:
        """The state in a line for whoever looks after the machine."""
        frame = self.frame()
        if frame.guard is not None and frame.phase in ANSWERING:
            return frame.guard.sentence
        if frame.phase == Phase.READY:
            return f"{frame.model}: {frame.running} answering, {frame.waiting} waiting"
        if frame.phase == Phase.LOADING:
            return f"Loading the model: {frame.fraction:.0%}"
        return frame.reason or f"The engine is {frame.phase}"

    def is_moving(self) -> bool:
        """False where only a restart of the daemon can help; a model that cannot be loaded is no such case."""
        stuck = time.monotonic() - self._changed > STUCK_SECONDS
        return self._engine.state.phase in SETTLED or not stuck

    def _coming(self) -> Coming | None:
        """The default model at a first start, or what the admin chose."""
        swap = self._swapper.last
        if self._takeover.coming is not None or swap is None or swap.stage == "done":
            return self._takeover.coming
        stage = "failed" if swap.stage == "failed" else "loading"
        return Coming(swap.model, stage, reason=swap.reason)

    def _remember(self, state: EngineState) -> None:
        self._changed = time.monotonic()
        self.model = state.model or self.model


def _guard(change: Change | None) -> Guard | None:
    """The change that is still in force; a board that is well again needs no word."""
    if change is None or (
        change.state.level is Level.CALM and change.state.threads == change.state.cores
    ):
        return None
    return Guard(int(change.state.level), change.code, change.params, change.sentence)


def _store(damage: Damage | None) -> StoreNotice | None:
    if damage is None:
        return None
    params = {
        "file": damage.file,
        "conversations": damage.conversations,
        "messages": damage.messages,
    }
    sentence = (
        f"The file with the conversations was damaged; {damage.messages} messages of "
        f"{damage.conversations} conversations were saved. It is kept as {damage.file}."
    )
    return StoreNotice("damaged", params, sentence)
