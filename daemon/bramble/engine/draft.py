"""Guesses what an answer says next from what was said before, and says when guessing pays on this board.

Prompt lookup: the last few tokens were seen earlier, so what followed then is tried now. A guess is verified in the
same batch with the answer's own sampler, so the text is what it would have been without (up to float order).
"""

from collections.abc import Callable
from dataclasses import dataclass

NGRAM = 3
"""Tokens that must match. Two match by chance too often, four miss the start of most quotations."""
LONGEST = 12
"""Tokens looked back for how long a match is: a sentence that is being quoted, or words that meet by chance."""
PRIORS = ((9, 0.9), (6, 0.7), (4, 0.45), (0, 0.25))
"""From this many matching tokens on: the chance that one more is right, before anything was measured."""
WEIGHT = 3.0
"""How many tries a prior counts for."""
FORGET = 0.9
"""How much of the past counts after each verified guess, and RECOVER after each token without one."""
RECOVER = 0.98
LEARNING = 0.3


@dataclass(frozen=True)
class Guess:
    """Tokens to try, made after `match` tokens that were said before."""

    tokens: list[int]
    match: int = 0


NONE = Guess([])


class Lookup:
    """Where every n-gram of a growing list of tokens was last followed by something."""

    def __init__(self, tokens: list[int]) -> None:
        self._tokens = tokens
        self._after: dict[tuple[int, ...], int] = {}
        self._indexed = NGRAM

    def guess(self, most: int) -> Guess:
        """Up to `most` tokens that followed the last time the list ended like this."""
        tokens, size = self._tokens, len(self._tokens)
        for end in range(self._indexed, size):
            self._after[tuple(tokens[end - NGRAM : end])] = end
        self._indexed = max(self._indexed, size)
        at = self._after.get(tuple(tokens[size - NGRAM :]))
        if at is None:
            return NONE
        match = NGRAM
        while match < min(at, LONGEST) and tokens[at - match - 1] == tokens[size - match - 1]:
            match += 1
        return Guess(tokens[at : at + most], match)

    def likely(self) -> Guess:
        """One token, for a row that costs nothing: what followed the last one before, else that again."""
        *before, last = self._tokens
        for at in range(len(before) - 1, -1, -1):
            if before[at] == last:
                return Guess([self._tokens[at + 1]])
        return Guess([last])


class Record:
    """How often guesses for one answer come true, by the length of their match; recent ones count most."""

    def __init__(self) -> None:
        self._hits = [prior * WEIGHT for _, prior in PRIORS]
        self._tries = [WEIGHT] * len(PRIORS)

    def chance(self, match: int) -> float:
        """The chance that one more token is right after `match` tokens that were."""
        kind = _kind(match)
        return min(self._hits[kind] / self._tries[kind], 0.98)

    def verified(self, match: int, right: int, guessed: int) -> None:
        """`right` of `guessed` tokens were taken; what came after the first wrong one says nothing."""
        kind = _kind(match)
        self._hits[kind] = self._hits[kind] * FORGET + right
        self._tries[kind] = self._tries[kind] * FORGET + right + (right < guessed)

    def idle(self) -> None:
        """A token without a guess: doubts fade, so that a new quotation is tried."""
        for kind, (_, prior) in enumerate(PRIORS):
            self._hits[kind] += (prior * WEIGHT - self._hits[kind]) * (1 - RECOVER)
            self._tries[kind] += (WEIGHT - self._tries[kind]) * (1 - RECOVER)


def _kind(match: int) -> int:
    return next(kind for kind, (least, _) in enumerate(PRIORS) if match >= least)


class Costs:
    """Milliseconds of a step by its rows, measured as it goes, for steps small enough to be decoding."""

    def __init__(self) -> None:
        self._ms: dict[int, float] = {}

    def learn(self, rows: int, ms: float) -> None:
        """Take a measured step in."""
        old = self._ms.get(rows)
        self._ms[rows] = ms if old is None else old + LEARNING * (ms - old)

    def ms(self, rows: int) -> float:
        """What a step of so many rows is expected to cost; between measured sizes on a straight line."""
        if rows in self._ms:
            return self._ms[rows]
        below = max((size for size in self._ms if size < rows), default=0)
        above = min((size for size in self._ms if size > rows), default=0)
        if below and above:
            share = (rows - below) / (above - below)
            return self._ms[below] + share * (self._ms[above] - self._ms[below])
        known = below or above
        return self._ms[known] * max(rows / known, 1.0) if known else 0.0

    def cheaper(self, rows: int, than: int) -> bool:
        """Whether a step of so many rows costs less than one of fewer; what was never measured may."""
        return rows not in self._ms or self._ms[rows] < self.ms(than)


def best_length(
    available: int, chance: float, others: int, cost: Callable[[int], float], limit_ms: float
) -> int:
    """How many guessed tokens give the most tokens a second, those of the `others` in the step included."""
    best, best_rate = 0, (others + 1) / max(cost(others + 1), 0.001)
    expected, reach = 1.0, 1.0
    for length in range(1, available + 1):
        reach *= chance
        expected += reach
        ms = cost(others + 1 + length)
        rate = (others + expected) / max(ms, 0.001)
        if rate > best_rate and ms <= limit_ms:
            best, best_rate = length, rate
    return best
