"""What a configuration means, and whether a model fits, in plain words for `bramble check`. It changes nothing."""

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bramble.chat.faq import read
from bramble.config import Config, Sources, ThreadCounts, changes, default_file
from bramble.engine.survey import Check, Plan
from bramble.engine.wire import Load
from bramble.errors import ConfigError, ModelUnavailable, NotFound
from bramble.models.choice import chosen
from bramble.models.library import resolve
from bramble.survey import alternatives, run

UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
"""What a size may end with; `M` is 1,048,576 bytes, as in systemd's MemoryMax."""


def explain(config: Config, sources: Sources) -> None:
    """Print what Bramble would do with `config`. Raises BrambleError where it could not start like this."""
    _print(_rows(config, sources.file or default_file()))
    resolve(chosen(config), config.models_dir)
    if config.cache.faq:
        read(Path(config.cache.faq).expanduser())
    print("\nNothing is wrong: `bramble serve` with the same options would start like this.")


def explain_changes(config: Config, sources: Sources, before: str) -> None:
    """Print what is different from the version whose config.example.yaml is the file `before`, or `-` for stdin.

    Raises ConfigError.
    """
    try:
        text = sys.stdin.read() if before == "-" else Path(before).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{before} cannot be read: {error}") from error
    found = list(changes(text, sources.of(config)))
    for line in found:
        print(line)
    if not found:
        print("All settings mean what they meant.")


def explain_plan(config: Config, model: str, memory: int) -> None:
    """Print how `model` would be held in `memory` bytes (0: what this machine has to give), and what was given up.

    Raises NotFound, ModelUnavailable where it does not fit or cannot be used, and survey.Damaged.
    """
    path = resolve(model, config.models_dir)
    engine = config.engine
    load = Load(
        model=str(path),
        context=engine.context,
        slots=engine.slots,
        threads=0,
        batch=engine.batch,
        max_step_ms=engine.max_step_ms,
        draft=engine.draft,
        rpc=engine.rpc,
        memory=memory,
        alternatives=alternatives(),
    )
    plan = run(Check(load), spin=engine.spin)
    _print(_plan_rows(path, plan, asked=bool(memory)))
    if not plan.fits:
        raise ModelUnavailable(f"{path.name} does not fit. {plan.reasons[0]}", plan.advice)


def size(text: str) -> int:
    """Bytes of a size like `512M` or `1.5G`. Raises ValueError with what it takes."""
    number, unit = text.strip().upper().removesuffix("B").removesuffix("I"), ""
    if number[-1:] in UNITS:
        number, unit = number[:-1], number[-1:]
    try:
        amount = float(number) * UNITS[unit]
    except ValueError:
        amount = 0.0
    if not 1 <= amount < 1 << 60:
        raise ValueError(f"{text!r} is no size; it takes one like 512M or 1.5G")
    return int(amount)


def _print(rows: Iterable[tuple[str, str]]) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, meaning in rows:
        table.add_row(name, Text(meaning))
    Console().print(table)


def _plan_rows(path: Path, plan: Plan, *, asked: bool) -> Iterator[tuple[str, str]]:
    held = (
        f"{_gigabytes(plan.repacked)} of them re-tiled for this processor"
        if plan.repack
        else "mapped from the file"
    )
    yield "model", str(path)
    yield "weights", f"{_gigabytes(plan.weights)}, {held}"
    if plan.in_file:
        yield "in the file", f"{_gigabytes(plan.in_file)} of which rows are read as they are needed"
    yield "context", f"{_gigabytes(plan.kv)} for {plan.context:,} tokens (KV cache)"
    yield "compute", _gigabytes(plan.compute)
    yield "process", _gigabytes(plan.process)
    if plan.away:
        yield "elsewhere", f"{_gigabytes(plan.away)} on other machines (engine.rpc)"
    spared = f", {_gigabytes(plan.spared)} of it only while there is room" if plan.spared else ""
    yield "total", f"{_gigabytes(plan.peak)}{spared}"
    yield "free", f"{_gigabytes(plan.room)}{' as asked' if asked else ' beside a reserve'}"
    slots = "one answer" if plan.slots == 1 else f"{plan.slots} answers"
    chosen = f"{plan.context:,} tokens of context, {slots} at once"
    yield "chosen", chosen if plan.fits else "nothing fits; the smallest try is shown"
    if plan.fits:
        yield "why", " ".join(plan.reasons) or "everything fits as it is set"


def _rows(config: Config, file: Path | None) -> Iterator[tuple[str, str]]:
    server, engine, queue = config.server, config.engine, config.queue
    address = "every address of this machine" if server.host == "*" else server.host
    yield "settings", str(file) if file else "no file, all defaults"
    yield "model", _file(chosen(config), config)
    yield "memory", f"{_gigabytes(psutil.virtual_memory().available)} available"
    yield "address", f"{address}, port {server.port or 'any'}"
    yield "open to", ", ".join(map(str, server.allow)) or "nobody"
    yield (
        "answers",
        f"{engine.slots} at once, {queue.waiting} may wait ({queue.per_person} of one person)",
    )
    yield "context", f"{engine.context:,} tokens for all answers together"
    yield "threads", _threads(engine.threads)
    if config.embedding.model:
        yield "embeddings", _file(config.embedding.model, config)
    yield (
        "data",
        f"{config.state_dir} ({'exists' if config.state_dir.is_dir() else 'will be made'})",
    )


def _file(model: str, config: Config) -> str:
    try:
        file = resolve(model, config.models_dir)
    except NotFound:
        return f"{model}, which is not there"
    return f"{model}, {_gigabytes(file.stat().st_size)} in {file}"


def _threads(setting: str | int | ThreadCounts) -> str:
    cores = len(os.sched_getaffinity(0))
    if isinstance(setting, int):
        return f"{setting} on {cores} cores"
    if isinstance(setting, ThreadCounts):
        decode, prefill = setting.decode or "auto", setting.prefill or "auto"
        return f"{decode} to decode, {prefill} to prefill, on {cores} cores"
    return f"auto: up to {cores}, one on each core"


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
