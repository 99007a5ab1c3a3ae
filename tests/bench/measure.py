"""What a benchmark is: sides that are measured in turn, and lines that compare them. It knows no server."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import ClassVar, Literal, NamedTuple

from tests.bench.options import Options

Figures = dict[str, float]
"""What one round measured, by name; the unit ends the name (tok_s, first_s, peak_mb)."""
Measure = Callable[[], Awaitable[Figures]]
"""One round of one side, which starts what it needs and ends it: no two sides are in memory together."""


class Missing(Exception):
    """A side cannot be measured here; the sentence says what it needs. Its lines are left out."""


class Failed(Exception):
    """Something was measured and did not work: an error in an answer, a server that ended."""


class Of(NamedTuple):
    """A figure of a side; of several sides, of the one with the highest median."""

    figure: str
    sides: tuple[str, ...]


def of(figure: str, *sides: str) -> Of:
    """Reads as it is said: of("tok_s", "bramble")."""
    return Of(figure, sides)


class Target(NamedTuple):
    """The bound of a ratio."""

    sense: Literal["≥", "≤"]
    bound: float

    def is_met(self, ratio: float) -> bool:
        """Judged as it is shown, with two decimals."""
        shown = round(ratio, 2)
        return shown >= self.bound if self.sense == "≥" else shown <= self.bound


def at_least(bound: float) -> Target:
    """The ratio may not be below it."""
    return Target("≥", bound)


def at_most(bound: float) -> Target:
    """The ratio may not be above it."""
    return Target("≤", bound)


class Line(NamedTuple):
    """One ratio: A's median over B's. Without a target it is for information."""

    what: str
    a: Of
    b: Of
    target: Target | None = None


class Scenario(ABC):
    """A benchmark. Its docstring says what is measured, the target and where that comes from."""

    name: ClassVar[str]
    lines: ClassVar[tuple[Line, ...]]
    most_rounds: ClassVar[int | None] = None
    """For what is long, and counts many things in one round."""

    def __init__(self, options: Options) -> None:
        self.options = options

    @abstractmethod
    def sides(self) -> dict[str, Measure]:
        """What is compared, in the order of the first round."""


@dataclass
class Result:
    """All that was measured: for each side and figure a value a round. `missing` says why a side has none."""

    scenario: type[Scenario]
    values: dict[str, dict[str, list[float]]] = field(
        default_factory=dict[str, dict[str, list[float]]]
    )
    missing: dict[str, str] = field(default_factory=dict[str, str])


async def run(scenario: Scenario, rounds: int, tell: Callable[[str], None]) -> Result:
    """Measure the sides alternately: A B, B A, A B, … so that a drift of the machine meets all. Raises Failed."""
    result = Result(type(scenario))
    sides = scenario.sides()
    for number in range(min(rounds, scenario.most_rounds or rounds)):
        order = list(sides) if number % 2 == 0 else list(reversed(sides))
        for side in order:
            if side in result.missing:
                continue
            tell(f"{scenario.name}: round {number + 1}, {side}")
            try:
                figures = await sides[side]()
            except Missing as missing:
                result.missing[side] = str(missing)
                continue
            for name, value in figures.items():
                result.values.setdefault(side, {}).setdefault(name, []).append(value)
    return result
