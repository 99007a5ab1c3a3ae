"""Composes one step: a row for everyone who is decoding, then prefill chunks up to what the step's time allows."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

from bramble.engine.context import Context
from bramble.engine.draft import NONE, Costs, Guess, best_length
from bramble.engine.slot import Slot, stop_at

ALONE_MS = 2000.0
"""Longest step in milliseconds when nobody is decoding: a cancel or a ping waits at most about this long."""
SMALLEST = 16
"""Fewest prefill rows of a step: below this the weights are read for too little work."""
PREFILL_ROWS = 32
"""From this many rows on a step's cost grows with each row alike; guesses stay below it."""
LEARNING = 0.3
"""Weight of the newest step in the measured cost of a row."""
TILE, BLOCK = 4, 16
"""ggml multiplies 16 rows at once with re-tiled weights, then four at once, what is left one by one."""
RETRY = 64
"""After so many steps that were not filled up to a whole tile it is tried again whether that pays."""


class Pace:
    """What rows cost on this board, measured as it goes; turns a time into rows. `guess_rows` 0 means no guessing."""

    def __init__(self, *, rows_max: int, max_step_ms: float, guess_rows: int = 0) -> None:
        self._rows_max = rows_max
        self._max_step_ms = max_step_ms
        self._guess_rows = guess_rows
        self._costs = Costs()
        self._row_ms = 0.0
        self._decode_ms = 0.0
        self._unfilled = 0

    @property
    def row_ms(self) -> float:
        """What a prefill row costs now, 0 before anything was measured."""
        return self._row_ms

    def budget(self, *, decoding: int) -> int:
        """Prefill rows for the next step beside `decoding` rows."""
        ms = self._max_step_ms - self._decode_ms if decoding else ALONE_MS
        return self.rows(ms, beside=decoding)

    def rows(self, ms: float, *, beside: int = 0) -> int:
        """How many prefill rows fit a time, `beside` others in the batch: together whole tiles."""
        fitting = ms / self._row_ms if self._row_ms else 0.0
        least = SMALLEST + beside
        total = max(_whole(fitting + beside), least + -least % TILE)
        return min(total, self._rows_max) - beside

    def learn(
        self, *, decoding: int, prefill: int, ms: float, guessed: int = 0, filled: int = 0
    ) -> None:
        """Take a step's measured time in. Only steps that tell the costs apart count."""
        if prefill == 0:
            self._costs.learn(decoding + guessed + filled, ms)
        if prefill == 0 and guessed == 0:
            self._decode_ms = _blend(self._decode_ms, ms)
        elif prefill >= SMALLEST:
            own = max(ms - self._decode_ms if decoding else ms, 0.01)
            own /= _weight(decoding + prefill) - decoding
            self._row_ms = _blend(self._row_ms, own)
            self._costs.learn(PREFILL_ROWS, self._row_ms * PREFILL_ROWS)

    def stop_guessing(self) -> None:
        """For models that cannot take back a row: every guess would cost a copy of their state."""
        self._guess_rows = 0

    def guesses(self, decoding: list[Slot]) -> dict[int, Guess]:
        """What to try beside the decoding slots' own rows, by sequence: as long as it is expected to pay."""
        tried: dict[int, Guess] = {}
        left, rows = self._guess_rows, len(decoding)
        for slot in decoding:
            job = slot.job
            if job is None or left == 0:
                break
            guess = job.lookup.guess(min(left, job.limit - job.drawn - 1))
            chance, room = job.record.chance(guess.match), len(guess.tokens)
            length = best_length(room, chance, rows - 1, self._costs.ms, self._max_step_ms)
            tried[slot.sequence] = Guess(guess.tokens[:length], guess.match)
            left, rows = left - length, rows + length
        return tried

    def fills(self, *, decoding: int, guessed: int) -> bool:
        """Whether one more row with logits makes a step cheaper: where four are a tile, three can take longer."""
        outputs = decoding + guessed
        if guessed >= self._guess_rows or outputs % TILE != TILE - 1:
            return False
        if self._costs.cheaper(outputs + 1, than=outputs):
            return True
        self._unfilled = (self._unfilled + 1) % RETRY
        return self._unfilled == 0


def _weight(rows: int) -> float:
    """What so many rows cost, in rows of whole blocks: others cost a third more, and together no more than a block."""
    rest = rows % BLOCK
    return rows + min(rest / 3, BLOCK - rest)


def _whole(weight: float) -> int:
    """The most rows of so much weight in whole blocks; where that would be one only, in tiles, too."""
    rows = int(weight) // BLOCK * BLOCK
    return rows if rows >= 2 * BLOCK else rows + int((weight - rows) * 3 / 4) // TILE * TILE


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


def _fill(decoding: list[Slot], guesses: dict[int, Guess]) -> int:
    """One guess for whoever has none and may say two tokens more; how many rows that is."""
    for slot in decoding:
        job = slot.job
        if (
            job is not None
            and not guesses.get(slot.sequence, NONE).tokens
            and job.limit - job.drawn > 1
        ):
            guesses[slot.sequence] = job.lookup.likely()
            return 1
    return 0


@dataclass
class Output:
    """A slot that gets tokens from this step: one from `row`, and more for as long as `guess` comes true."""

    slot: Slot
    row: int
    guess: Guess


class Step:
    """The rows of one decode call: which slots get a token from which row, and who took how many rows."""

    def __init__(self) -> None:
        self.taken: list[tuple[Slot, int]] = []
        self.outputs: list[Output] = []
        self.decoding = 0
        self.guessed = 0
        self.filled = 0
        self.prefill = 0

    def compose(self, context: Context, slots: list[Slot], pace: Pace) -> None:
        """Fill the context's batch from every slot that has a job and is not parked."""
        context.clear_rows()
        active = [slot for slot in slots if slot.job is not None and not slot.parked]
        decoding = [slot for slot in active if slot.missing == 1]
        prefilling = [slot for slot in active if slot.missing > 1]
        guesses = pace.guesses(decoding) if not prefilling else {}
        self.decoding = len(decoding)
        guessed = sum(len(guess.tokens) for guess in guesses.values())
        fill = pace.fills(decoding=self.decoding, guessed=guessed)
        if fill and not prefilling:
            self.filled = _fill(decoding, guesses)
        self.guessed = guessed
        for slot in decoding:
            self._decode(context, slot, guesses.get(slot.sequence, NONE))
        for slot, rows in shares(prefilling, pace.budget(decoding=self.decoding)):
            self._prefill(context, slot, rows, fill=fill)
            fill = False

    def _decode(self, context: Context, slot: Slot, guess: Guess) -> None:
        if slot.job is None:
            return
        tokens = [slot.job.tokens[-1], *guess.tokens]
        row = context.add_rows(slot.sequence, tokens, len(slot.held), outputs=len(tokens))
        self.taken.append((slot, 1))
        self.outputs.append(Output(slot, row, guess))

    def _prefill(self, context: Context, slot: Slot, rows: int, *, fill: bool) -> None:
        """The last row of the prompt gets logits; to `fill` a tile of them any other does, which nobody looks at."""
        if slot.job is None:
            return
        start = len(slot.held)
        rows = stop_at(slot.job.marks, start, rows)
        last = rows == slot.missing
        tokens = slot.job.tokens[start : start + rows]
        row = context.add_rows(slot.sequence, tokens, start, outputs=int(last or fill))
        self.taken.append((slot, rows))
        self.prefill += rows
        if last:
            self.outputs.append(Output(slot, row + rows - 1, NONE))

    @property
    def marked(self) -> Iterator[Slot]:
        """Who now holds its prompt exactly up to a mark."""
        return (slot for slot, _ in self.taken if slot.job and len(slot.held) in slot.job.marks)

    def settle(self) -> None:
        """The rows are computed: their tokens are held now. Guessed ones are not, until they come true."""
        for slot, rows in self.taken:
            if slot.job is not None:
                start = len(slot.held)
                slot.held += slot.job.tokens[start : start + rows]
