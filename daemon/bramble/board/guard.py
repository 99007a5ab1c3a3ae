"""Decides what Bramble does without, from readings alone: the same give the same. It carries nothing out."""

from bramble.board import words
from bramble.board.cooling import Cooling, Heat
from bramble.board.levels import CRITICAL, RUNGS, Change, Reading, Shed, State
from bramble.board.memory import MEGABYTE
from bramble.board.shortage import Shortage

SETTLE = 10.0
"""Seconds from one change to the next. Only memory that runs out waits for nothing."""


class Guard:
    """Takes timed readings, tells changes. `cores` compute when all is well; `soft` and `hard` in °C.

    `machine` is what sentences call the board.
    """

    def __init__(self, *, cores: int, soft: float, hard: float, machine: str = "machine") -> None:
        self._cores, self._soft, self._machine = cores, soft, machine
        self._shortage = Shortage()
        self._heat = Heat(cores, soft, hard)
        self._changed: float | None = None
        self.state = self._state()

    def update(self, reading: Reading) -> Change | None:
        """Take the next reading, at most a few seconds after the last; say what changes, if anything does."""
        rung, cooling = self._shortage.propose(reading), self._heat.propose(reading)
        urgent = self._shortage.rung < CRITICAL <= rung
        if not urgent and self._changed is not None and reading.at - self._changed < SETTLE:
            return None
        if rung != self._shortage.rung:
            return self._move_rung(rung, reading)
        if cooling != self._heat.now:
            return self._move_heat(cooling, reading)
        return None

    def _move_rung(self, rung: int, reading: Reading) -> Change | None:
        code = words.of_memory(self._shortage.rung, rung)
        self._shortage.move(rung, reading.at)
        return self._change(code, reading)

    def _move_heat(self, cooling: Cooling, reading: Reading) -> Change | None:
        celsius = self._heat.celsius
        code = words.of_heat(self._heat.now, cooling, self._cores, celsius, self._soft)
        if code == "throttled" and reading.weak_supply:
            code = "weak_supply"
        self._heat.move(cooling, reading.at)
        return self._change(code, reading)

    def _change(self, code: str, reading: Reading) -> Change | None:
        """The change to tell; none where the other one of memory and heat asks for as much, or for more."""
        state = self._state()
        if state == self.state:
            return None
        self.state, self._changed = state, reading.at
        params: words.Params = {
            "machine": self._machine,
            "left": max(0, reading.left) // MEGABYTE,
            "threads": state.threads,
            "cores": state.cores,
        }
        if self._heat.celsius is not None:
            params["celsius"] = round(self._heat.celsius)
        return Change(state, code, params, words.sentence(code, params))

    def _state(self) -> State:
        level, sheds = RUNGS[max(self._shortage.rung, self._heat.rung)]
        return State(level, tuple(Shed)[:sheds], self._heat.now.threads, self._cores)
