"""From measured values to a verdict: medians, ratios, percentiles."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from tests.bench.measure import Line, Of, Result


@dataclass(frozen=True)
class Verdict:
    """One line with its numbers. `met` is None without a target; `why_not` says why there are no numbers."""

    line: Line
    a: list[float]
    b: list[float]
    side_a: str = ""
    side_b: str = ""
    why_not: str = ""

    @property
    def ratio(self) -> float | None:
        """Median A over median B; None where nothing was measured or B is zero."""
        if not self.a or not self.b or not median(self.b):
            return None
        return median(self.a) / median(self.b)

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; what could not be divided reaches none."""
        if self.line.target is None or self.why_not:
            return None
        return self.ratio is not None and self.line.target.is_met(self.ratio)


def verdicts(result: Result) -> list[Verdict]:
    """One for each line of the scenario."""
    return [_verdict(result, line) for line in result.scenario.lines]


def _verdict(result: Result, line: Line) -> Verdict:
    side_a, side_b = _best(result, line.a), _best(result, line.b)
    for wanted, found in ((line.a, side_a), (line.b, side_b)):
        if not found:
            reasons = [result.missing[side] for side in wanted.sides if side in result.missing]
            return Verdict(line, [], [], why_not=reasons[0] if reasons else "not measured")
    a, b = result.values[side_a][line.a.figure], result.values[side_b][line.b.figure]
    return Verdict(line, a, b, side_a, side_b)


def _best(result: Result, wanted: Of) -> str:
    """The side with the highest median of this figure, empty where none was measured."""
    measured = {
        side: median(result.values[side][wanted.figure])
        for side in wanted.sides
        if result.values.get(side, {}).get(wanted.figure)
    }
    return max(measured, key=measured.__getitem__, default="")


def percentile(values: Sequence[float], part: float) -> float:
    """The smallest value that `part` (0 to 1) of the values stay below, by nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]
