"""`bramble models list`, `fetch` and `remove`, for people at a terminal. The work is done in `models/`."""

from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn
from rich.table import Column, Table

from bramble.board import memory
from bramble.config import Config
from bramble.errors import ModelUnavailable
from bramble.models import download
from bramble.models.catalogue import catalogue, find
from bramble.models.choice import chosen, remember
from bramble.models.fit import fits
from bramble.models.library import is_present, remove_model, resolve
from bramble.models.own import fetch_own, is_address
from bramble.models.tuned import all_tuned, is_whole


def show(config: Config) -> None:
    """Print every model: what it is, how large, whether it is here and whether this board can hold it."""
    name = Column("name", no_wrap=True)  # it has to be typed
    table = Table(name, "model", "size", "licence", "fits", "here", box=None, pad_edge=False)
    for row in _rows(config):
        table.add_row(*row)
    Console().print(table)


def _rows(config: Config) -> Iterator[tuple[str, ...]]:
    here, most = config.models_dir, memory.read().lowest.most
    for name, model in catalogue(here).items():
        title = model.title if model.purpose == "chat" else f"{model.title} (embedding)"
        present = is_present(model, here)
        yield name, title, _size(model.size), model.licence, *_marks(model.size, most, present)
    for tuned in all_tuned(here):
        title = f"{tuned.chosen} of {Path(tuned.source).name}"
        marks = _marks(tuned.file_bytes, most, is_whole(tuned, here))
        yield tuned.name, title, _size(tuned.file_bytes), "as the original", *marks


def _marks(size: int, most: int, present: bool) -> tuple[str, str]:
    return "yes" if fits(size, most) else "no", "yes" if present else "no"


def _size(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"


def bring(config: Config, name: str, sha256: str) -> None:
    """Fetch a model by name or address, with a bar where somebody looks. Raises NotFound, ModelUnavailable."""
    columns = "{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn()
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        title = name if is_address(name) else find(name, config.models_dir).title
        task = bar.add_task(title, total=None)

        def progress(done: int, size: int) -> None:
            bar.update(task, completed=done, total=size)

        hosts = config.models.local_hosts
        if is_address(name):
            name = fetch_own(name, config.models_dir, progress, sha256=sha256, local_hosts=hosts)
        model = find(name, config.models_dir)
        file = download.fetch(model, config.models_dir, progress, local_hosts=hosts)
    print(f"{model.title} is here and verified: {file}")
    if is_address(title):
        print(f"It is called {name} from now on; its SHA-256 is {model.sha256}.")


def use(config: Config, name: str) -> None:
    """Answer with this model from now on. Raises NotFound, ModelUnavailable where it cannot be remembered."""
    resolve(name, config.models_dir)
    path = Path(name).expanduser()
    name = str(path.absolute()) if path.is_file() else name
    try:
        remember(config, name)
    except OSError as error:
        raise ModelUnavailable(
            f"{config.state_dir} cannot be written: {error.strerror or error}.",
            "Run this as the user that Bramble runs as, or with sudo.",
        ) from error
    print(f"{name} answers from the next start on; a running Bramble changes to it within seconds.")


def remove(config: Config, name: str) -> None:
    """Delete a model's file. Raises NotFound, BadRequest where it is the one that answers."""
    freed = remove_model(name, config.models_dir, in_use=(chosen(config),))
    print(f"{name} is gone from the disk, {_size(freed)} are free again.")
