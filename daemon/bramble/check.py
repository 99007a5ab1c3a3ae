"""What a configuration means, in plain words, for `bramble check`. It changes nothing and opens no model."""

import os
from collections.abc import Iterator
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bramble.config import Config
from bramble.errors import NotFound
from bramble.models.library import resolve


def explain(config: Config, file: Path | None) -> None:
    """Print what Bramble would do with `config`, read from `file`."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, meaning in _rows(config, file):
        table.add_row(name, Text(meaning))
    Console().print(table)


def _rows(config: Config, file: Path | None) -> Iterator[tuple[str, str]]:
    server, engine, queue = config.server, config.engine, config.queue
    address = "every address of this machine" if server.host == "*" else server.host
    yield "settings", str(file) if file else "no file, all defaults"
    yield "model", _model(config)
    yield "memory", f"{_gigabytes(psutil.virtual_memory().available)} available"
    yield "address", f"{address}, port {server.port or 'any'}"
    yield "open to", ", ".join(map(str, server.allow)) or "nobody"
    yield (
        "answers",
        f"{engine.slots} at once, {queue.waiting} may wait ({queue.per_person} of one person)",
    )
    yield "context", f"{engine.context:,} tokens for all answers together"
    yield "threads", _threads(engine.threads)
    yield (
        "data",
        f"{config.state_dir} ({'exists' if config.state_dir.is_dir() else 'will be made'})",
    )


def _model(config: Config) -> str:
    try:
        file = resolve(config.engine.model, config.models_dir)
    except NotFound:
        return f"{config.engine.model}, which is not there"
    return f"{config.engine.model}, {_gigabytes(file.stat().st_size)} in {file}"


def _threads(setting: str | int) -> str:
    cores = len(os.sched_getaffinity(0))
    if isinstance(setting, int):
        return f"{setting} on {cores} cores"
    return f"auto: up to {cores}, one on each core"


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
