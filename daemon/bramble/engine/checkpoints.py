"""Where models that cannot drop the end of a sequence can go on: their state at chosen places of what they read.

Plain memory, bounded in bytes and number. What costs least to compute again and was not used for long goes first.
"""

from dataclasses import dataclass

from bramble.engine.overlap import common_prefix

MOST = 64
"""Checkpoints kept at once, however small they are: each is looked at for every new prompt."""
CLOSE = 16
"""Tokens between two checkpoints below which the later one is not worth its step."""
INTERVAL = 1024
"""Most tokens without a checkpoint in a long prompt."""


@dataclass
class Checkpoint:
    """The part of a sequence's state that cannot be cut, behind exactly these tokens (`Context.state`).

    `conversation` is the stored one that made it, empty for none. `worth` is GreedyDual's: what losing it would cost,
    on top of what the last one that was given up cost.
    """

    tokens: list[int]
    state: bytearray
    conversation: str = ""
    worth: float = 0.0


class Checkpoints:
    """Up to `limit` bytes of them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: list[Checkpoint] = []
        self._clock = 0.0

    @property
    def size(self) -> int:
        """Bytes in use."""
        return sum(len(each.state) for each in self._kept)

    def bound(self, limit: int) -> None:
        """Keep at most so many bytes from now on."""
        self._limit = limit
        self._shrink()

    def holds(self, size: int) -> bool:
        """Whether a state of so many bytes would be kept."""
        return 0 < size <= self._limit

    def best(self, tokens: list[int], size: int) -> Checkpoint | None:
        """The longest within the first `size` of these tokens."""
        fitting = (c for c in self._kept if len(c.tokens) <= size and _begins(tokens, c.tokens))
        found = max(fitting, key=lambda c: len(c.tokens), default=None)
        if found is not None:
            self._price(found)
        return found

    def knows(self, tokens: list[int]) -> bool:
        """Whether there is one behind exactly these tokens; that it was asked for counts as use."""
        found = self.best(tokens, len(tokens))
        return found is not None and len(found.tokens) == len(tokens)

    def put(self, tokens: list[int], state: bytearray, conversation: str = "") -> None:
        """Keep another; give up what is worth least where bytes or number run out."""
        checkpoint = Checkpoint(tokens, state, conversation)
        self._price(checkpoint)
        self._kept.append(checkpoint)
        self._shrink()

    def forget(self, conversation: str) -> None:
        """Keep nothing that this stored conversation made."""
        self._kept = [each for each in self._kept if each.conversation != conversation]

    def _price(self, checkpoint: Checkpoint) -> None:
        """Without it everything behind the longest shorter one would have to be computed again."""
        tokens = checkpoint.tokens
        shorter = (
            len(c.tokens)
            for c in self._kept
            if len(c.tokens) < len(tokens) and _begins(tokens, c.tokens)
        )
        checkpoint.worth = self._clock + len(tokens) - max(shorter, default=0)

    def _shrink(self) -> None:
        while self._kept and (self.size > self._limit or len(self._kept) > MOST):
            least = min(self._kept, key=lambda c: c.worth)
            self._clock = least.worth
            self._kept.remove(least)


def _begins(tokens: list[int], beginning: list[int]) -> bool:
    return common_prefix(tokens, beginning) == len(beginning)


def spread(places: list[int], size: int) -> list[int]:
    """Those of `places` that are worth a checkpoint in a prompt of `size` tokens; more in long stretches between."""
    marks: list[int] = []
    last = 0
    for place in sorted(place for place in places if 0 < place < size):
        marks += range(last + INTERVAL, place - CLOSE, INTERVAL)
        if not marks or place - marks[-1] > CLOSE:
            marks.append(place)
        last = marks[-1]
    return marks
