"""How results look: a line a fault for people, and the same for programs."""

import os
import platform
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.faults.fault import SHOWN, Fault, Tally

Results = Mapping[type[Fault], Tally | str]
"""What came of each, or why it was left out."""


def show(console: Console, results: Results) -> None:
    """The table, then what did not hold."""
    right = {"justify": "right", "no_wrap": True}
    table = Table(box=None, pad_edge=False)
    table.add_column("fault", no_wrap=True)
    for title in ("tries", "failures", "lost", "p95"):
        table.add_column(title, **right)  # type: ignore[arg-type]
    table.add_column("also")
    table.add_column("", no_wrap=True)
    for fault, result in results.items():
        table.add_row(*_row(fault, result))
    console.print(table)
    for fault, result in results.items():
        problems = result.problems if isinstance(result, Tally) else []
        for problem in problems[:SHOWN]:
            console.print(f"{fault.name}: {problem}", markup=False, soft_wrap=True)
        if len(problems) > SHOWN:
            console.print(f"{fault.name}: and {len(problems) - SHOWN} more", markup=False)


def _row(fault: type[Fault], result: Tally | str) -> tuple[str, ...]:
    if isinstance(result, str):
        return fault.name, "", "", "", "", result, "left out"
    p95 = "" if result.p95 is None else f"{result.p95:.3g} s"
    also = "; ".join([f"p95 is of: {fault.timed}"] * bool(p95) + result.figures)
    counts = (f"{count:,}" for count in (result.tries, result.failures, result.lost))
    return fault.name, *counts, p95, also, "held" if result.held else "DID NOT HOLD"


def as_json(results: Results) -> dict[str, Any]:
    """Everything, with the machine it happened on."""
    return {
        "machine": {
            "cpu": platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
            "system": platform.platform(),
            "python": platform.python_version(),
        },
        "faults": [_entry(fault, result) for fault, result in results.items()],
    }


def _entry(fault: type[Fault], result: Tally | str) -> dict[str, Any]:
    if isinstance(result, str):
        return {"name": fault.name, "left_out": result}
    return {
        "name": fault.name,
        "tries": result.tries,
        "failures": result.failures,
        "lost": result.lost,
        "timed": fault.timed,
        "p95_s": result.p95,
        "seconds": [round(value, 4) for value in result.seconds],
        "figures": result.figures,
        "series": result.series,
        "problems": result.problems,
        "held": result.held,
    }
