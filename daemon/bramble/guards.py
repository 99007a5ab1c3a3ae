"""Carries out what `board/guard` decides, each thing where it belongs. It decides nothing."""

from collections.abc import Callable

from bramble.board import memory
from bramble.board.levels import Change, Shed, State
from bramble.board.watch import Needs
from bramble.budget import Budget
from bramble.engine.client import Engine, EngineState, Phase
from bramble.engine.wire import Limits
from bramble.scheduler import Scheduler

BESIDE = 60_000_000
"""Bytes that an engine takes beside its weights, at least."""
HOLDING = (Phase.LOADING, Phase.READY)
"""When it tells by what it holds how much a model may take: not while Python starts."""


class Guards:
    """Between the watch, who is asked for its changes, and those who give something up.

    `processes` are the ids of all that are Bramble but the engine.
    """

    def __init__(
        self,
        engine: Engine,
        scheduler: Scheduler,
        budget: Budget,
        processes: Callable[[], tuple[int, ...]],
    ) -> None:
        self._engine, self._scheduler, self._budget = engine, scheduler, budget
        self._processes = processes
        self._owed = 0
        self._put_away = False
        engine.watch(self._weigh)

    def needs(self) -> Needs:
        """What Bramble is doing now; asked from the watch's thread."""
        engine = self._engine.state
        if engine.pid is not None and engine.phase in HOLDING:
            self._budget.held = max(self._budget.held, memory.resident((engine.pid,)))
        return Needs(
            owed=self._owed if self._put_away else 0,
            answering=self._scheduler.running,
            processes=(*self._processes(), *self._engine.pids),
        )

    def carry_out(self, change: Change) -> None:
        """Give up or give back: running answers are kept to the last, and go on where even they had to wait."""
        shed = change.state.shed
        self._engine.limit(limits(change.state))
        self._scheduler.hold(change.sentence if Shed.NEW_ANSWERS in shed else "")
        if (Shed.MODEL in shed) != self._put_away:
            self._put_away = Shed.MODEL in shed
            if self._put_away:
                self._engine.rest(change.sentence)
            else:
                self._engine.wake()

    def _weigh(self, state: EngineState) -> None:
        if state.model is not None:
            self._owed = state.model.size + BESIDE
        if state.pid is None:
            self._budget.ended()


def limits(state: State) -> Limits:
    """What an engine may take in this state."""
    no_slots = Shed.IDLE_SLOTS in state.shed
    half = 0.5 if Shed.HALF_THE_CACHE in state.shed else 1.0
    return Limits(
        threads=state.threads,
        ahead=Shed.WARM_UPS not in state.shed,
        aside=0.0 if no_slots else half,
        idle=not no_slots,
    )
