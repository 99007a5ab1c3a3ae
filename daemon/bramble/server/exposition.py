"""Prometheus's text format, version 0.0.4: counters, gauges and histograms as lines. It knows no metric of ours.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Literal

from msgspec import Struct

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metric(Struct, frozen=True):
    """One family of samples: its name, what it is, the label that tells its samples apart (empty: there is one)."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    label: str = ""


class Histogram:
    """Counts observations in seconds by upper bounds."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        """Take one in."""
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._sum += seconds

    def lines(self, name: str) -> Iterator[str]:
        """Its samples."""
        upper = [f"{bound:g}" for bound in self._bounds] + ["+Inf"]
        for bound, count in zip(upper, accumulate(self._counts), strict=True):
            yield f'{name}_bucket{{le="{bound}"}} {count}'
        yield f"{name}_sum {self._sum:.6f}"
        yield f"{name}_count {sum(self._counts)}"


Value = float | Mapping[str, float] | Histogram
"""A number, one for each value of the metric's label, or a histogram."""


def exposition(samples: Iterator[tuple[Metric, Value]]) -> str:
    """The whole text."""
    lines = [line for metric, value in samples for line in _lines(metric, value)]
    return "\n".join(lines) + "\n"


def _lines(metric: Metric, value: Value) -> Iterator[str]:
    yield f"# HELP {metric.name} {_escaped(metric.help)}"
    yield f"# TYPE {metric.name} {metric.kind}"
    if isinstance(value, Histogram):
        yield from value.lines(metric.name)
    elif isinstance(value, Mapping):
        for label, number in value.items():
            quoted = _escaped(label).replace('"', '\\"')
            yield f'{metric.name}{{{metric.label}="{quoted}"}} {number:.16g}'
    else:
        yield f"{metric.name} {value:.16g}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")
