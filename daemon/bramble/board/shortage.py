"""Memory: from readings to a rung of the ladder. Down at once when it runs out, up again only after quiet time."""

from bramble.board.levels import CRITICAL, NO_IDLE_SLOTS, NO_MODEL, TIGHT, Reading
from bramble.board.patience import Patience

QUIET = 10.0
"""Seconds without shortage before one rung is given back."""
CLIMB = 10.0
"""Seconds on a critical rung before the next one, if that did not help."""

TIGHT_BELOW, TIGHT_UNTIL = 1.0, 1.5
CRITICAL_BELOW, CRITICAL_UNTIL = 0.0, 0.5
"""Room (in reserves) at which a level begins, and which it takes to end it."""
DESPERATE = -0.5
"""Room below which the model goes though somebody is being answered: the kernel would end it else."""

TIGHT_SOME, CRITICAL_FULL = 10.0, 20.0
"""Memory pressure (percent) at which a level begins; half of it ends it. systemd-oomd kills at 60 for 30 s."""


class Shortage:
    """Holds the rung; `propose` says where it should be, `move` takes it there."""

    def __init__(self) -> None:
        self.rung = 0
        self._patience = Patience(QUIET)
        self._moved = 0.0

    def propose(self, reading: Reading) -> int:
        """The rung that this reading asks for: the same, further up to any, or one less."""
        worse = self._worse(reading)
        quiet = worse == self.rung and self._could_ease(reading)
        if self._patience.is_over(quiet, reading.at):
            return self.rung - 1
        return worse

    def move(self, rung: int, at: float) -> None:
        """The rung changes."""
        if rung < self.rung:
            self._patience.gave_back(at)
        else:
            self._patience.took_away(at)
        self.rung, self._moved = rung, at

    def _worse(self, reading: Reading) -> int:
        """The rung, or a higher one if it must be."""
        if reading.room < CRITICAL_BELOW or reading.full >= CRITICAL_FULL:
            return self._climb(reading) if self.rung >= CRITICAL else CRITICAL
        if reading.room < TIGHT_BELOW or reading.some >= TIGHT_SOME:
            return max(self.rung, TIGHT)
        return self.rung

    def _climb(self, reading: Reading) -> int:
        """The next critical rung, once this one has had its time. Running answers keep the model."""
        if reading.at - self._moved < CLIMB or self.rung == NO_MODEL:
            return self.rung
        if self.rung == NO_IDLE_SLOTS and reading.answering and reading.room >= DESPERATE:
            return self.rung
        return self.rung + 1

    def _could_ease(self, reading: Reading) -> bool:
        if self.rung == 0:
            return False
        if self.rung == TIGHT:
            return reading.room >= TIGHT_UNTIL and reading.some < TIGHT_SOME / 2
        return reading.room >= CRITICAL_UNTIL and reading.full < CRITICAL_FULL / 2
