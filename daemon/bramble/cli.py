"""The command line: what can be asked of Bramble, and how it answers when it cannot. It does none of the work.

Each command imports what it needs itself, so that `--version` and a mistake in the settings answer at once.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from bramble import __version__
from bramble.cli_access import add_commands
from bramble.cli_models import add_commands as add_model_commands
from bramble.errors import BadRequest, BrambleError, ConfigError, NotFound

EX_CONFIG = 78
"""The exit status of sysexits.h for a configuration that is wrong; systemd does not restart on it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except BrambleError as error:
        for line in error.message.splitlines():
            print(f"bramble: {line}", file=sys.stderr)
        if error.hint:
            print(error.hint, file=sys.stderr)
        return EX_CONFIG if isinstance(error, ConfigError | NotFound) else 1
    except KeyboardInterrupt:
        print("\nbramble: stopped before it was finished.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bramble", description="A private assistant for everyone on the home network."
    )
    parser.add_argument("--version", action="version", version=f"bramble {__version__}")
    add = parser.add_subparsers(metavar="command", required=True).add_parser
    settings = [_settings()]
    serve = add("serve", parents=settings, help="serve the page and the API until it is stopped")
    serve.set_defaults(run=_serve)
    check = add(
        "check", parents=settings, help="say what is wrong with the settings, or what they mean"
    )
    check.add_argument("--model", help="plan how this name or GGUF file would fit the memory")
    check.add_argument("--memory", type=_size, metavar="SIZE", help="as if so much were free: 512M")
    check.add_argument("--before", metavar="FILE", help="what an older config.example.yaml meant")
    check.set_defaults(run=_check)
    bench = add("bench", parents=settings, help="measure how fast a model is on this machine")
    _bench_options(bench)
    bench.set_defaults(run=_bench)
    doctor = add("doctor", parents=settings, help="say what ails this machine, and what mends it")
    doctor.add_argument("--json", action="store_true", help="say it to a program")
    doctor.add_argument("--root", type=Path, default=Path("/"), help=argparse.SUPPRESS)
    doctor.set_defaults(run=_doctor)
    worker = add("worker", parents=settings, help="compute a part of another machine's model")
    worker.set_defaults(run=_worker)
    add_commands(add, settings)
    backup = add(
        "backup", parents=settings, help="copy all conversations into a file, while people chat"
    )
    backup.add_argument("file", type=Path, help="where to; replaced if it is there")
    backup.set_defaults(run=_backup)
    restore = add("restore", parents=settings, help="put such a copy in place of what is there")
    restore.add_argument("file", type=Path, help="what `bramble backup` wrote")
    restore.set_defaults(run=_restore)
    update = add("update", parents=settings, help="install a signed release on an appliance")
    update.add_argument("source", nargs="?", metavar="FILE", help="a pack, or its https address")
    update.add_argument("--back", action="store_true", help="run the release before again")
    update.add_argument(
        "--key", type=Path, metavar="FILE", help="(default: /etc/bramble/update.pub)"
    )
    update.add_argument("--requested", action="store_true", help="what the page asked for")
    update.add_argument("--older", action="store_true", help="also where it is older than this one")
    update.set_defaults(run=_update)
    add_model_commands(add, settings)
    return parser


def _size(text: str) -> int:
    from bramble.check import size

    try:
        return size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _bench_options(bench: argparse.ArgumentParser) -> None:
    add = bench.add_argument
    add("model", nargs="?", help="a name or a GGUF file (default: engine.model)")
    add("--json", action="store_true", help="print all figures as JSON")
    add("--tune", action="store_true", help="remember the best thread counts for the next start")
    add("--prompt", type=_count, default=512, metavar="N", help="tokens prefilled (512)")
    add("--generate", type=_count, default=128, metavar="N", help="tokens decoded (128)")
    add("--repetitions", type=_count, default=3, metavar="N", help="runs each, median counts (3)")


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def _settings() -> argparse.ArgumentParser:
    """What every command takes that reads the settings."""
    parent = argparse.ArgumentParser(add_help=False)
    parent.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="read the settings from here (default: /etc/bramble/config.yaml where it exists)",
    )
    parent.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="one setting, like server.port=8123; counts more than the file, may be repeated",
    )
    return parent


def _serve(options: argparse.Namespace) -> int:
    import asyncio

    from bramble.config import Sources, load
    from bramble.models.choice import chosen
    from bramble.models.library import resolve

    config = load(options.config, options.set)
    model = resolve(chosen(config), config.models_dir)

    from bramble.serve import serve  # only now: a mistake above is told without waiting for it

    return asyncio.run(serve(config, model, Sources(options.config, tuple(options.set))))


def _worker(options: argparse.Namespace) -> int:
    from bramble.config import load
    from bramble.worker import work

    work(load(options.config, options.set))
    return 0


def _check(options: argparse.Namespace) -> int:
    from bramble.check import explain, explain_changes, explain_plan
    from bramble.config import Sources, load
    from bramble.models.choice import chosen

    config = load(options.config, options.set)
    sources = Sources(options.config, tuple(options.set))
    if options.before:
        explain_changes(config, sources, options.before)
    elif options.model or options.memory:
        explain_plan(config, options.model or chosen(config), options.memory or 0)
    else:
        explain(config, sources)
    return 0


def _bench(options: argparse.Namespace) -> int:
    from bramble.bench import command
    from bramble.config import load
    from bramble.models.choice import chosen

    config = load(options.config, options.set)
    command(
        config,
        options.model or chosen(config),
        prompt=options.prompt,
        generate=options.generate,
        repetitions=options.repetitions,
        tune=options.tune,
        as_json=options.json,
    )
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from bramble.doctor.report import examine, is_well, show, show_json

    findings = examine(options.config, options.set, options.root)
    (show_json if options.json else show)(findings)
    return 0 if is_well(findings) else 1


def _backup(options: argparse.Namespace) -> int:
    from bramble.config import load
    from bramble.keeping import backup

    backup(load(options.config, options.set), options.file)
    return 0


def _restore(options: argparse.Namespace) -> int:
    from bramble.config import load
    from bramble.keeping import restore

    restore(load(options.config, options.set), options.file)
    return 0


def _update(options: argparse.Namespace) -> int:
    from bramble.config import load
    from bramble.updates.command import KEY, Update

    update = Update(load(options.config, options.set))
    if options.back:
        update.back()
    elif options.requested:
        update.run_requested(options.key or KEY)
    elif options.source is None:
        raise BadRequest("Which update?", "Name the file of a pack, or its https address.")
    else:
        update.run(options.source, options.key or KEY, older=options.older)
    return 0
