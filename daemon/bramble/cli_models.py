"""The commands about models, as `cli` offers them. What they do is in `storeroom` and `tuning`."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

Add = Callable[..., argparse.ArgumentParser]


def add_commands(add: Add, settings: Sequence[argparse.ArgumentParser]) -> None:
    """Put them in."""
    models = add("models", help="show, fetch or remove models")
    add = models.add_subparsers(metavar="action", required=True).add_parser
    add("list", parents=settings, help="show them").set_defaults(run=_list)
    fetch = add("fetch", parents=settings, help="download one and verify it")
    fetch.add_argument("name", help="a name from `bramble models list`, or the address of a file")
    fetch.add_argument("--sha256", default="", metavar="HEX", help="what a file at an address is")
    fetch.set_defaults(run=_fetch)
    use = add("use", parents=settings, help="answer with one; a running Bramble changes to it")
    use.add_argument("name", help="a name from `bramble models list`, or a GGUF file")
    use.set_defaults(run=_use)
    remove = add("remove", parents=settings, help="delete one from the disk")
    remove.add_argument("name", help="a name from `bramble models list`")
    remove.set_defaults(run=_remove)
    tune = add("tune", parents=settings, help="make one faster on this machine")
    _tune_options(tune)
    tune.set_defaults(run=_tune)


def _tune_options(tune: argparse.ArgumentParser) -> None:
    add = tune.add_argument
    add("name", help="a name from `bramble models list` or a GGUF file, best a Q8_0 one")
    add(
        "--loss",
        type=_loss,
        default=0.1,
        metavar="KL",
        help="how far from the original it may be, in mean KL divergence (0.1)",
    )
    add("--again", action="store_true", help="measure anew what is known already")
    add(
        "--beside",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="measure this GGUF file of the same model too, for comparison; may be repeated",
    )
    add("--undo", action="store_true", help="remove the tuned model; the original is untouched")
    add("--json", action="store_true", help="print all figures as JSON")


def _loss(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError("must be more than 0")
    return number


def _list(options: argparse.Namespace) -> int:
    from bramble.config import load
    from bramble.storeroom import show

    show(load(options.config, options.set))
    return 0


def _tune(options: argparse.Namespace) -> int:
    from bramble.config import load
    from bramble.tuning.command import command, take_back
    from bramble.tuning.work import Wish

    config = load(options.config, options.set)
    if options.undo:
        take_back(config, options.name)
        return 0
    wish = Wish(options.name, options.loss, tuple(options.beside), options.again)
    command(config, wish, as_json=options.json)
    return 0


def _fetch(options: argparse.Namespace) -> int:
    from bramble.config import load
    from bramble.storeroom import bring

    bring(load(options.config, options.set), options.name, options.sha256)
    return 0


def _use(options: argparse.Namespace) -> int:
    from bramble.config import load
    from bramble.storeroom import use

    use(load(options.config, options.set), options.name)
    return 0


def _remove(options: argparse.Namespace) -> int:
    from bramble.config import load
    from bramble.storeroom import remove

    remove(load(options.config, options.set), options.name)
    return 0
