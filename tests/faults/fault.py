"""What a fault is: something that is done to Bramble many times, and what has to hold all the same."""

import math
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar

import psutil
from aiohttp import ClientError

from bramble.errors import BrambleError
from tests.faults.ground import Ground

BROKEN = (
    AssertionError,
    BrambleError,
    ClientError,
    EOFError,
    OSError,
    TimeoutError,
    psutil.Error,
    sqlite3.Error,
)
"""How a try can fail; anything else is a mistake in the fault itself."""
SHOWN = 8


class LeftOut(Exception):
    """It cannot be done here; the sentence says what it needs."""


def percentile(values: Sequence[float], part: float) -> float:
    """The value that `part` (0 to 1) of the values do not exceed, by nearest rank; 0 where there are none."""
    ordered = sorted(values)
    return ordered[math.ceil(len(ordered) * part) - 1] if ordered else 0.0


@dataclass
class Tally:
    """What came of it: `lost` counts what should be there and is not, `seconds` has one value a try."""

    tries: int = 0
    failures: int = 0
    lost: int = 0
    seconds: list[float] = field(default_factory=list[float])
    problems: list[str] = field(default_factory=list[str])
    figures: list[str] = field(default_factory=list[str])
    series: list[dict[str, float]] = field(default_factory=list[dict[str, float]])
    """What was watched while time went by."""

    @contextmanager
    def attempt(self) -> Generator[None]:
        """One try: what fails in it is counted and told, and the next one follows."""
        self.tries += 1
        try:
            yield
        except BROKEN as error:
            self.failures += 1
            self.problem(f"try {self.tries}: {type(error).__name__} {error}"[:600])

    def lose(self, count: int, what: str) -> None:
        """So many of these are missing, or there twice."""
        if count:
            self.lost += count
            self.problem(f"try {self.tries}: {count} {what}")

    def bound(self, what: str, value: float, most: float, unit: str) -> None:
        """A figure that may not be above `most`."""
        self.figures.append(f"{what} {value:.4g} {unit} (≤ {most:.4g})")
        if not value <= most:
            self.problem(f"{what}: {value:.4g} {unit} instead of {most:.4g} at most")

    def problem(self, words: str) -> None:
        """Something does not hold."""
        self.problems.append(words)

    @property
    def p95(self) -> float | None:
        """By nearest rank; None where nothing was timed."""
        return percentile(self.seconds, 0.95) if self.seconds else None

    @property
    def held(self) -> bool:
        """Whether everything held that had to."""
        return self.tries > 0 and not self.problems


class Fault(ABC):
    """Its docstring says what is done and what must hold; `timed` is what the p95 is of."""

    name: ClassVar[str]
    full: ClassVar[int]
    few: ClassVar[int]
    """Tries of a run that shall show something, and of one that only sees to it that it still holds."""
    timed: ClassVar[str] = ""
    minutes: ClassVar[tuple[float, float]] = (0.0, 0.0)
    """How long it takes where time is the point: full, short."""
    slow: ClassVar[bool] = False
    """Whether even the short run is too long for the default tests."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground

    @property
    def seconds(self) -> float:
        """How long it is to last, where time is the point."""
        full, short = self.minutes
        minutes = self.ground.minutes or (full if self.ground.full else short)
        return 60 * minutes

    @abstractmethod
    async def inflict(self, tally: Tally, tries: int) -> None:
        """Do it. Raises LeftOut."""
