"""Prefixes moved out of the cache while somebody else is answered: every new row would scan past their cells.

Plain memory, bounded in bytes; the least recently used go first. Moving one is a copy: milliseconds, once an answer.
"""

from collections.abc import Callable
from dataclasses import dataclass

from bramble.engine.overlap import common_prefix


@dataclass(frozen=True)
class Prefix:
    """Tokens and what the cells of their sequence held (`Context.state`).

    `conversation` is the one they belong to, empty for none that is stored; `answered` as in `Slot`; `used` on the
    monotonic clock.
    """

    tokens: list[int]
    state: bytearray
    conversation: str = ""
    answered: int = 0
    used: float = 0.0


Usable = Callable[[Prefix, int], int]
"""How many tokens of a prompt can be had from a prefix that shares so many of them."""


def _all(_: Prefix, shared: int) -> int:
    return shared


class Aside:
    """Up to `limit` bytes of prefixes, least recently used first."""

    def __init__(self, limit: int) -> None:
        self._whole = self._limit = limit
        self._kept: list[Prefix] = []

    @property
    def size(self) -> int:
        """Bytes in use."""
        return sum(len(prefix.state) for prefix in self._kept)

    def holds(self, size: int, *, evict: bool = True) -> bool:
        """Whether a state of so many bytes would be kept; to `evict` older ones may be forgotten for it."""
        return 0 < size <= self._limit - (0 if evict else self.size)

    def keep(self, part: float) -> None:
        """Use this part of the limit, 0 to 1, from now on."""
        self._limit = int(self._whole * part)
        self._shrink()

    def put(self, prefix: Prefix) -> None:
        """Keep a prefix in place of all that are its beginning; forget the oldest where the bytes run out."""
        size = len(prefix.tokens)
        self._kept = [
            other
            for other in self._kept
            if len(other.tokens) > size or prefix.tokens[: len(other.tokens)] != other.tokens
        ]
        self._add(prefix)

    def best(self, tokens: list[int], usable: Usable = _all) -> tuple[Prefix | None, int]:
        """The prefix that shares the longest usable beginning with `tokens`, and its length (never all of them)."""
        best, longest = None, 0
        for prefix in self._kept:
            size = usable(prefix, min(common_prefix(prefix.tokens, tokens), len(tokens) - 1))
            if size > longest:
                best, longest = prefix, size
        return best, longest

    def hot(self) -> list[Prefix]:
        """What of stored conversations is here and was answered to the end."""
        return [p for p in self._kept if p.conversation and p.answered == len(p.tokens)]

    def forget(self, conversation: str) -> None:
        """Drop whatever is of this conversation."""
        self._kept = [other for other in self._kept if other.conversation != conversation]

    def take(self, prefix: Prefix, *, whole: bool) -> None:
        """It goes back into the cache: all of it, or only a part, which is a reason to keep it."""
        self._kept = [other for other in self._kept if other is not prefix]
        if not whole:
            self._add(prefix)

    def _add(self, prefix: Prefix) -> None:
        self._kept.append(prefix)
        self._shrink()

    def _shrink(self) -> None:
        while self.size > self._limit:
            del self._kept[0]
