"""How results look: a table for people, and the same for programs."""

import os
import platform
from collections.abc import Sequence
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.bench.measure import Result
from tests.bench.options import Options
from tests.bench.verdict import Verdict, verdicts

VERDICT = {True: "met", False: "MISSED", None: "—"}


def show(console: Console, result: Result) -> None:
    """One scenario: a row for each ratio, then every value it is made of."""
    table = Table("", "A", "B", "A/B", "target", "", box=None, pad_edge=False)
    found = verdicts(result)
    for verdict in found:
        table.add_row(*_row(verdict))
    console.print(f"\n[bold]{result.scenario.name}[/bold]")
    console.print(table)
    for verdict in found:
        for letter, side, values in (
            ("A", verdict.side_a, verdict.a),
            ("B", verdict.side_b, verdict.b),
        ):
            if values:
                raw = "  ".join(map(number, values))
                console.print(
                    f"  {verdict.line.what}, {letter} = {side}: {raw}", style="dim", soft_wrap=True
                )


def _row(verdict: Verdict) -> Sequence[str]:
    line = verdict.line
    if verdict.why_not:
        return line.what, "", "", "", "", f"left out: {verdict.why_not}"
    ratio = "—" if verdict.ratio is None else f"{verdict.ratio:.2f}"
    target = f"{line.target.sense} {line.target.bound:.2f}" if line.target else ""
    medians = number(median(verdict.a)), number(median(verdict.b))
    return line.what, *medians, ratio, target, VERDICT[verdict.met]


def number(value: float) -> str:
    """With the digits that mean something."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def as_json(options: Options, results: Sequence[Result]) -> dict[str, Any]:
    """Everything, with the machine it was measured on."""
    machine = {
        "cpu": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
    }
    model = {"file": options.model.name, "bytes": options.model.stat().st_size}
    scenarios = [_scenario(result) for result in results]
    return {"machine": machine, "model": model, "threads": options.threads, "scenarios": scenarios}


def _scenario(result: Result) -> dict[str, Any]:
    return {
        "name": result.scenario.name,
        "lines": [_line(verdict) for verdict in verdicts(result)],
        "missing": result.missing,
        "values": result.values,
    }


def _line(verdict: Verdict) -> dict[str, Any]:
    target = verdict.line.target
    return {
        "what": verdict.line.what,
        "a": {"side": verdict.side_a, "figure": verdict.line.a.figure, "values": verdict.a},
        "b": {"side": verdict.side_b, "figure": verdict.line.b.figure, "values": verdict.b},
        "ratio": verdict.ratio,
        "target": f"{target.sense} {target.bound}" if target else None,
        "met": verdict.met,
        "left_out": verdict.why_not or None,
    }
