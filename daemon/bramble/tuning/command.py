"""`bramble models tune` as a person meets it: progress on stderr, a table and plain sentences (or JSON) on stdout."""

from pathlib import Path

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TimeElapsedColumn
from rich.table import Table

from bramble.config import Config
from bramble.models.choice import remembered
from bramble.models.tuned import Tuned
from bramble.tuning.tune import tune, undo
from bramble.tuning.work import Wish


def command(config: Config, wish: Wish, *, as_json: bool) -> None:
    """Tune, and say what came of it."""
    console = Console(stderr=True)
    columns = "{task.description}", BarColumn(), TimeElapsedColumn()
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task, last = bar.add_task("", total=1.0), ""

        def say(what: str, fraction: float) -> None:
            nonlocal last
            if what != last and not console.is_terminal:
                console.print(f"{what} …", highlight=False)
            last = what
            bar.update(task, description=what, completed=fraction)

        tuned, known = tune(wish, config, say)
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(tuned), indent=2).decode())
    else:
        _show(tuned, known, wish, config.models_dir)


def _show(tuned: Tuned, known: bool, wish: Wish, models_dir: Path) -> None:
    Console().print(_table(tuned))
    print()
    print(tuned.summary)
    if not tuned.chosen:
        return
    if known:
        print("This was measured before, with the same file and limit; --again measures anew.")
    print(f"Use it with engine.model: {tuned.name}. The file is {models_dir / tuned.file}.")
    print(f"The original stays at {tuned.source}. Delete it only when the tuned one has served you")
    print(f"well for a while; until then `bramble models tune {wish.model} --undo` takes it back.")


def _table(tuned: Tuned) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("weights", overflow="fold")
    for title in ("file MB", "memory MB", "decode tok/s", "mean KL", "same top token"):
        table.add_column(title, justify="right", no_wrap=True)
    for row in tuned.rows:
        table.add_row(
            escape(f"{row.name} ←" if row.name == tuned.chosen else row.name),
            f"{row.file_bytes / 1e6:,.1f}",
            f"{row.peak_memory_bytes / 1e6:,.0f}",
            f"{row.tokens_per_second:.1f}",
            f"{row.mean_kl:.4f}",
            f"{row.same_top:.1%}",
        )
    return table


def take_back(config: Config, name: str) -> None:
    """Remove a tuned model and say what remains."""
    record = undo(name, config.models_dir)
    print(f"{record.name} is gone. What it was made from is at {record.source}.")
    if record.name in (config.engine.model, remembered(config)):
        print("It is still the model that is to answer: choose another before the next start.")
