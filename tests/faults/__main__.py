"""The command: which faults, how often, and where the results go.

Exit status: 0 where all held that was tried, 1 where something did not, 130 where it was ended from outside.
"""

import argparse
import asyncio
import inspect
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from bramble.config import Config
from bramble.models.catalogue import find
from bramble.models.library import location
from tests.faults.fault import BROKEN, Fault, LeftOut, Tally
from tests.faults.ground import Ground
from tests.faults.kinds import FAULTS
from tests.faults.show import as_json, show

WIDTH = 160
"""Columns of the table where no terminal says how many there are."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what is asked for; return the exit status."""
    parser = _parser()
    given = parser.parse_args(arguments)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    if given.list:
        for name, fault in FAULTS.items():
            tries = f"{fault.full:,}" if fault.full > 1 else "once"
            console.print(f"[bold]{name}[/bold] ({tries})\n{inspect.getdoc(fault)}\n")
        return 0
    if unknown := [name for name in given.fault if name not in FAULTS]:
        parser.error(f"there is no {', '.join(unknown)}: {', '.join(FAULTS)}")
    if not given.model.is_file():
        parser.error(f"{given.model} is no file")
    # Ended from outside it ends as with Ctrl-C: what it started and mounted goes with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with TemporaryDirectory(prefix="bramble-faults-") as folder:
        progress = Console(stderr=True, highlight=False)
        ground = Ground(Path(folder), given.model, given.full, given.minutes, progress.print)
        results: dict[type[Fault], Tally | str] = {}
        ended = False
        try:
            asyncio.run(_inflict(ground, given.fault or list(FAULTS), given.tries, results))
        except KeyboardInterrupt:
            console.print("Ended before it was finished: this is how far it came.")
            ended = True
    show(console, results)
    if given.json:
        given.json.write_text(json.dumps(as_json(results), ensure_ascii=False, indent=1) + "\n")
    broken = any(isinstance(each, Tally) and not each.held for each in results.values())
    return 130 if ended else int(broken)


async def _inflict(
    ground: Ground,
    names: Sequence[str],
    tries: int | None,
    results: dict[type[Fault], Tally | str],
) -> None:
    """Fill `results`, which are there also where this is interrupted."""
    for name in names:
        fault, tally = FAULTS[name], Tally()
        count = tries or (fault.full if ground.full else fault.few)
        ground.tell(f"{name}: {count}")
        results[fault] = tally
        try:
            await fault(ground).inflict(tally, count)
        except LeftOut as reason:
            results[fault] = str(reason)
        except BROKEN as error:
            tally.failures += 1
            tally.problem(f"it broke off: {type(error).__name__} {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults",
        description="Hurt Bramble on purpose and see what holds. Without names: all of it.",
    )
    add = parser.add_argument
    add("fault", nargs="*", help="names from --list")
    add("--list", action="store_true", help="say what there is, and exit")
    count = parser.add_mutually_exclusive_group()
    count.add_argument("--tries", type=_positive, metavar="N", help="tries of each")
    count.add_argument("--full", action="store_true", help="as many as it takes to show something")
    add("--minutes", type=float, default=0.0, metavar="M", help="for what lasts: how long")
    starter = location(find("starter"), Config().models_dir)
    add("--model", type=Path, default=starter, metavar="FILE", help="GGUF file (the starter)")
    add("--json", type=Path, metavar="FILE", help="write everything there too")
    return parser


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise ValueError
    return number


if __name__ == "__main__":
    sys.exit(main())
