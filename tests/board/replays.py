"""Guards and readings for tests, replayed one a second; what must hold of the changes in all of them."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from bramble.board.guard import SETTLE, Guard
from bramble.board.levels import Change, Reading

RESERVE = 100_000_000


def guard(cores: int = 4) -> Guard:
    return Guard(cores=cores, soft=80.0, hard=85.0, machine="Pi")


def reading(at: float, room: float = 10.0, **more: Any) -> Reading:
    """A reading with that much room, in reserves."""
    return Reading(at=at, left=int(room * RESERVE), reserve=RESERVE, **more)


def replay(subject: Guard, readings: Iterable[Reading]) -> list[tuple[float, Change]]:
    """Every change, with its time."""
    changes: list[tuple[float, Change]] = []
    for each in readings:
        if change := subject.update(each):
            changes.append((each.at, change))
    return changes


def assert_spaced(changes: list[tuple[float, Change]]) -> None:
    """No change within 10 s of the one before, except memory running out."""
    for (before, _), (at, change) in pairwise(changes):
        assert at - before >= SETTLE or change.code == "memory_critical"
