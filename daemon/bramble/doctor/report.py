"""All checks in one list, and how it is shown: a table for people, JSON for programs."""

import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bramble.board.files import MACHINE
from bramble.board.watch import bounds
from bramble.config import Config, default_file, load
from bramble.doctor import appliance, around, machine
from bramble.doctor.finding import Finding, Mark, ill, size, well
from bramble.errors import ConfigError, NotFound
from bramble.models.choice import chosen
from bramble.models.library import resolve

_SIGNS = {Mark.WELL: ("✓", "green"), Mark.ILL: ("✗", "bold red"), Mark.ABSENT: ("–", "dim")}


def examine(
    file: Path | None,
    overrides: Sequence[str],
    root: Path = MACHINE,
    now: datetime | None = None,
) -> list[Finding]:
    """Every check, in the order it is shown. With a configuration that is wrong the defaults are used."""
    config, finding = _config(file, overrides)
    return [finding, *_checks(config, root, now or datetime.now())]


def _checks(config: Config, root: Path, now: datetime) -> Iterator[Finding]:
    model, length = _model(config)
    if not appliance.only_computes(root):
        yield model
    yield from machine.findings(root, config.guard, length, bounds(config.guard))
    yield around.disk("conversations", config.state_dir)
    yield from around.set_aside(config.state_dir)
    yield around.disk("models", config.models_dir)
    yield from around.cards(root)
    yield around.clock(root, now)
    yield around.name(root)
    yield from appliance.findings(config, root)


def _config(file: Path | None, overrides: Sequence[str]) -> tuple[Config, Finding]:
    try:
        config = load(file, overrides)
    except ConfigError as error:
        return Config(), ill("settings", error.message, error.hint)
    used = file or default_file()
    return config, well("settings", str(used) if used else "no file, all defaults")


def _model(config: Config) -> tuple[Finding, int]:
    """The model's file, and its bytes where it is there."""
    name = chosen(config)
    try:
        file = resolve(name, config.models_dir)
    except NotFound as error:
        return ill("model", error.message, error.hint), 0
    length = file.stat().st_size
    return well("model", f"{name}, {size(length)} in {file}"), length


# ── showing it ───────────────────────────────────────────────────────────────────────────────────


def is_well(findings: Sequence[Finding]) -> bool:
    """Whether nothing ails."""
    return all(finding.mark is not Mark.ILL for finding in findings)


def show(findings: Sequence[Finding]) -> None:
    """Print the table; what is to be done stands below what ails."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        sign, style = _SIGNS[finding.mark]
        text = Text(finding.text)
        if finding.hint:
            text.append(f"\n→ {finding.hint}", style="italic")
        table.add_row(Text(sign, style=style), finding.check, text)
    Console().print(table)


def show_json(findings: Sequence[Finding]) -> None:
    """Print `{"well": …, "checks": [{"check", "mark", "text", "hint"}]}`."""
    report = {"well": is_well(findings), "checks": findings}
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
