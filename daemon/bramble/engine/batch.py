"""Composes one step: a row for everyone who is decoding, then prefill chunks up to what the step's time allows."""

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

from bramble.engine.llama import Context
from bramble.engine.slot import Slot

ALONE_MS = 2000.0
"""Longest step in milliseconds when nobody is decoding: a cancel or a ping waits at most about this long."""
SMALLEST = 16
"""Fewest prefill rows of a step: below this the weights are read for too little work."""
LEARNING = 0.3
"""Weight of the newest step in the measured cost of a row."""


class Pace:
    """What a prefill row costs on this board, measured as it goes; turns a time into a number of rows."""

    def __init__(self, *, rows_max: int, max_step_ms: float) -> None:
        self._rows_max = rows_max
        self._max_step_ms = max_step_ms
        self._row_ms = 0.0
        self._decode_ms = 0.0

    def budget(self, *, decoding: int) -> int:
        """Prefill rows for the next step beside `decoding` rows."""
        if self._row_ms == 0.0:
            return SMALLEST
        time = self._max_step_ms - self._decode_ms if decoding else ALONE_MS
        rows = max(SMALLEST, int(time / self._row_ms))
        return min(rows, self._rows_max - decoding)

    def learn(self, *, decoding: int, prefill: int, ms: float) -> None:
        """Take a step's measured time in. Only steps that tell the two costs apart count."""
        if prefill == 0:
            self._decode_ms = _blend(self._decode_ms, ms)
        elif prefill >= SMALLEST:
            own = ms - self._decode_ms if decoding else ms
            self._row_ms = _blend(self._row_ms, max(own, 0.01) / prefill)


def _blend(old: float, new: float) -> float:
    return new if old == 0.0 else old + LEARNING * (new - old)


class Waits(Protocol):
    """Whoever has rows to compute."""

    @property
    def missing(self) -> int:
        """How many rows."""
        ...


W = TypeVar("W", bound=Waits)


def shares(slots: Iterable[W], budget: int) -> Iterator[tuple[W, int]]:
    """Split a budget of rows fairly: who needs less than an equal share leaves the rest to the others."""
    waiting = sorted(slots, key=lambda slot: slot.missing)
    for index, slot in enumerate(waiting):
        rows = min(slot.missing, budget // (len(waiting) - index))
        if rows:
            budget -= rows
            yield slot, rows


class Step:
    """The rows of one decode call: which slots get a token from which row, and who took how many rows."""

    def __init__(self) -> None:
        self.taken: list[tuple[Slot, int]] = []
        self.outputs: list[tuple[Slot, int]] = []
        self.decoding = 0
        self.prefill = 0

    def compose(self, context: Context, slots: list[Slot], pace: Pace) -> None:
        """Fill the context's batch from every slot that has a job and is not parked."""
        context.clear_rows()
        active = [slot for slot in slots if slot.job is not None and not slot.parked]
        decoding = [slot for slot in active if slot.missing == 1]
        prefilling = [slot for slot in active if slot.missing > 1]
        for slot in decoding:
            self._take(context, slot, 1)
        self.decoding = len(decoding)
        for slot, rows in shares(prefilling, pace.budget(decoding=len(decoding))):
            self._take(context, slot, rows)
            self.prefill += rows

    def _take(self, context: Context, slot: Slot, rows: int) -> None:
        if slot.job is None:
            return
        start = len(slot.held)
        output = rows == slot.missing
        tokens = slot.job.tokens[start : start + rows]
        row = context.add_rows(slot.sequence, tokens, start, output=output)
        self.taken.append((slot, rows))
        if output:
            self.outputs.append((slot, row))

    def settle(self) -> None:
        """The rows are computed: their tokens are held now."""
        for slot, rows in self.taken:
            if slot.job is not None:
                start = len(slot.held)
                slot.held += slot.job.tokens[start : start + rows]
