"""The command: which benchmarks, with what, and where the results go.

Exit status: 0 where every target that could be measured is met, 1 where one is missed or a benchmark failed.
"""

import argparse
import asyncio
import inspect
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
from aiohttp import ClientError
from msgspec import MsgspecError
from rich.console import Console

from tests.bench.measure import Failed, Result, run
from tests.bench.options import Options
from tests.bench.scenarios import SCENARIOS
from tests.bench.show import as_json, show
from tests.bench.verdict import verdicts

BROKEN = (Failed, ClientError, MsgspecError, psutil.Error, TimeoutError, OSError)
"""What a server can do to a benchmark; the others are run all the same."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for; return the exit status."""
    parser = _parser()
    given = parser.parse_args(arguments)
    console = Console(soft_wrap=False, highlight=False)
    if given.list:
        for name, scenario in SCENARIOS.items():
            console.print(f"[bold]{name}[/bold]\n{inspect.cleandoc(scenario.__doc__ or '')}\n")
        return 0
    unknown = [name for name in given.scenario if name not in SCENARIOS]
    if unknown or not given.scenario:
        parser.error(f"name scenarios of these: {', '.join(SCENARIOS)}, or --all")
    for file in filter(None, (given.model, given.tuned)):
        if not file.is_file():
            parser.error(f"{file} is no file")
    if given.model is None:
        parser.error("no model was named: --model FILE or BRAMBLE_BENCH_MODEL")
    # Ended from outside it ends as with Ctrl-C: its servers end with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with TemporaryDirectory(prefix="bramble-bench-") as folder:
        options = Options(given.model, Path(folder), given.threads, given.peer, given.tuned)
        results, failed = asyncio.run(_measure(console, options, given.scenario, given.rounds))
    if given.json:
        text = json.dumps(as_json(options, results), ensure_ascii=False, indent=1)
        given.json.write_text(text + "\n")
    missed = any(verdict.met is False for result in results for verdict in verdicts(result))
    return int(failed or missed)


async def _measure(
    console: Console, options: Options, names: Sequence[str], rounds: int
) -> tuple[list[Result], bool]:
    """What could be measured, and whether anything could not because it broke."""
    progress = Console(stderr=True, highlight=False)
    results = list[Result]()
    failed = False
    for name in names:
        try:
            result = await run(SCENARIOS[name](options), rounds, progress.print)
        except BROKEN as error:
            console.print(
                f"\n[bold]{name}[/bold]\n  failed: {error or type(error).__name__}", markup=True
            )
            failed = True
            continue
        results.append(result)
        show(console, result)
    return results, failed


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description="Compare Bramble with llama-server, or with itself with a feature off. Run it on a quiet machine.",
    )
    add = parser.add_argument
    add("scenario", nargs="*", help="names from --list")
    add("--all", dest="scenario", action="store_const", const=list(SCENARIOS), help="every one")
    add("--list", action="store_true", help="say what there is, and exit")
    add(
        "--model", type=Path, metavar="FILE", default=_path("BRAMBLE_BENCH_MODEL"), help="GGUF file"
    )
    add("--tuned", type=Path, metavar="FILE", help="the board-tuned file of the same model")
    add("--peer", type=Path, metavar="FILE", default=_path("BRAMBLE_PEER"), help="llama-server")
    add("--rounds", type=_positive, default=3, help="rounds a side (default: 3)")
    add("--threads", type=_positive, default=2, help="threads of both servers (default: 2)")
    add("--json", type=Path, metavar="FILE", help="write everything there too")
    return parser


def _path(variable: str) -> Path | None:
    value = os.environ.get(variable)
    return Path(value) if value else None


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise ValueError
    return number


if __name__ == "__main__":
    sys.exit(main())
