"""Models from addresses of one's own: what they are called, and the record of where each came from."""

import re
import threading
from collections.abc import Collection
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec

from bramble.errors import BadRequest
from bramble.models.catalogue import FETCHED, Address, Model, catalogue, read_fetched
from bramble.models.download import Progress, fetch, fetch_url
from bramble.models.transfer import Wanted


def is_address(name: str) -> bool:
    """Whether this is the address of a file rather than a name."""
    return "://" in name


def fetch_own(
    url: str,
    models_dir: Path,
    progress: Progress,
    *,
    sha256: str = "",
    local_hosts: Collection[str] = (),
    stop: threading.Event | None = None,
) -> str:
    """Fetch the file at `url` and remember it; return the name it goes by from now on.

    Without a `sha256` (hex) nobody can tell whether it is what its author published, only that all of it came. Raises
    BadRequest, ModelUnavailable.
    """
    if sha256 and not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise BadRequest("A SHA-256 has 64 digits from 0 to 9 and a to f.")
    file = file_name(url)
    name = file.removesuffix(".gguf").lower()
    known = catalogue(models_dir)
    for other, model in known.items():
        same = isinstance(model.source, Address) and model.source.url == url
        if same and sha256 in ("", model.sha256):
            fetch(model, models_dir, progress, local_hosts=local_hosts, stop=stop)
            return other
        if model.file == file and not (same and other in read_fetched(models_dir)):
            raise BadRequest(f"The model {other} has a file of that name already.")
    wanted = Wanted(url, file, 0, sha256)
    size, digest = fetch_url(wanted, models_dir, progress, local_hosts=local_hosts, stop=stop)
    model = Model(
        title=file.removesuffix(".gguf"),
        about="Fetched from an address of one's own.",
        licence="see its source",
        file=file,
        size=size,
        sha256=digest,
        source=Address(url),
    )
    _remember({**read_fetched(models_dir), name: model}, models_dir)
    return name


def forget(name: str, models_dir: Path) -> None:
    """Drop the record of a model that was fetched from an address, where there is one."""
    fetched = read_fetched(models_dir)
    if fetched.pop(name, None):
        _remember(fetched, models_dir)


def file_name(url: str) -> str:
    """What the file is called on disk. Raises BadRequest where the address ends in no GGUF file."""
    last = unquote(urlsplit(url).path.rpartition("/")[2])
    name = re.sub(r"[^\w.-]+", "-", last, flags=re.ASCII).lstrip(".-")
    if not name.lower().endswith(".gguf") or len(name) > 200 or len(name) < 6:
        raise BadRequest(f"{url} does not end in the name of a GGUF file.", "Like …/model.gguf.")
    return f"{name[:-5]}.gguf"


def _remember(fetched: dict[str, Model], models_dir: Path) -> None:
    file = models_dir / FETCHED
    new = file.with_name(f".{FETCHED}.new")
    new.write_bytes(msgspec.json.format(msgspec.json.encode(fetched)) + b"\n")
    new.replace(file)
