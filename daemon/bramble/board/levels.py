"""What the guards speak of: readings that go in, levels and what each of them does without, changes that come out."""

from enum import IntEnum, StrEnum

from msgspec import Struct


class Level(IntEnum):
    """How the board fares."""

    CALM = 0
    TIGHT = 1
    CRITICAL = 2


class Shed(StrEnum):
    """What Bramble does without, in the order in which it is given up; it is given back in reverse."""

    WARM_UPS = "warm_ups"
    HALF_THE_CACHE = "half_the_cache"
    UPLOADS = "uploads"
    NEW_ANSWERS = "new_answers"
    IDLE_SLOTS = "idle_slots"
    MODEL = "model"


RUNGS: tuple[tuple[Level, int], ...] = (
    (Level.CALM, 0),
    (Level.TIGHT, 3),
    (Level.CRITICAL, 4),
    (Level.CRITICAL, 5),
    (Level.CRITICAL, 6),
)
"""The ladder: on each rung the level and how many of the sheds, from the first, are in force."""

TIGHT, CRITICAL, NO_IDLE_SLOTS, NO_MODEL = 1, 2, 3, 4


class Reading(Struct, frozen=True):
    """What is known at one moment; `at` in seconds of the monotonic clock.

    `left` (bytes) may still be taken and `reserve` (bytes) is its measure: a tight machine has less than one of them.
    `owed` (bytes) is what giving back the model would take at least; 0 while it is loaded. `answering` is how many
    answers run. `some` and `full` are in percent of 10 s, the others as `heat` tells them.
    """

    at: float
    left: int
    reserve: int
    owed: int = 0
    answering: int = 0
    some: float = 0.0
    full: float = 0.0
    celsius: float | None = None
    throttled: bool = False
    weak_supply: bool = False

    @property
    def room(self) -> float:
        """What is left in reserves, as if all that was shed were given back."""
        return (self.left - self.owed) / self.reserve


class State(Struct, frozen=True):
    """What holds now: `threads` of `cores` may compute."""

    level: Level
    shed: tuple[Shed, ...]
    threads: int
    cores: int


class Change(Struct, frozen=True):
    """The state from now on, and why: `code` and `params` for a translator, `sentence` in English."""

    state: State
    code: str
    params: dict[str, int | str]
    sentence: str
