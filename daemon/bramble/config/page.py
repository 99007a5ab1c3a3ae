"""What the admin changed on the page: a file of its own in `state_dir`, so that nobody's comments are touched.

It counts more than the configuration file and less than the command line.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from bramble import durable
from bramble.config.changes import flat
from bramble.config.loader import PAGE_FILE, load, written
from bramble.config.schema import SETTINGS, Config
from bramble.errors import BadRequest, ConfigError

LIVE = frozenset(
    (
        "chat.system_prompt",
        "chat.temperature",
        "chat.typing_ahead",
        "chat.max_tokens",
        "queue.waiting",
        "queue.per_person",
        "log_level",
    )
)
"""What counts at once; all else after the next start."""
FIXED = frozenset(
    ("state_dir", "models_dir", "server.power", "server.trusted_proxies", "models.local_hosts")
)
"""What only who can write the configuration file may change: it says where things are, or opens a door."""
_HEAD = "# Changed on the page, and written by Bramble: edit config.yaml instead.\n"


class Sources(msgspec.Struct, frozen=True):
    """What a configuration was read from."""

    file: Path | None = None
    overrides: tuple[str, ...] = ()

    def of(self, config: Config) -> dict[str, str]:
        """Where each setting that is no default was written: file, page or command."""
        return written(self.file, self.overrides, config.state_dir / PAGE_FILE)


def change(config: Config, sources: Sources, changes: Mapping[str, Any]) -> Config:
    """Write these settings into the page's file; None goes back to what stands elsewhere. Returns what counts now.

    Raises BadRequest with every mistake, and then changes nothing; OSError.
    """
    _require_allowed(sources.of(config), changes)
    page = config.state_dir / PAGE_FILE
    with durable.alone(config.state_dir):
        settings = {**_flat(page), **changes}
        text = _HEAD + _nested({name: each for name, each in settings.items() if each is not None})
        with tempfile.TemporaryDirectory() as folder:
            candidate = Path(folder, PAGE_FILE)
            candidate.write_text(text, encoding="utf-8")
            try:
                changed = load(sources.file, sources.overrides, page=candidate)
            except ConfigError as error:
                lines = [line.rpartition(f"{candidate}:")[2] for line in error.message.splitlines()]
                raise BadRequest("\n".join(_without_line(line) for line in lines)) from error
        durable.replace(page, text.encode())
    return changed


def _require_allowed(sources: Mapping[str, str], changes: Mapping[str, Any]) -> None:
    for name in changes:
        if name in FIXED:
            raise BadRequest(f"{name} is changed in config.yaml only.", field=name)
        if sources.get(name) == "command":
            raise BadRequest(
                f"{name} was given on the command line, which counts more.", field=name
            )
        if name not in SETTINGS:
            raise BadRequest(f"There is no setting {name[:100]!r}.", field=name)


def _flat(page: Path) -> dict[str, Any]:
    """The file's settings by dotted name."""
    try:
        groups = yaml.safe_load(page.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return flat(groups)


def _nested(settings: Mapping[str, Any]) -> str:
    root: dict[str, Any] = {}
    for name, value in settings.items():
        *groups, leaf = name.split(".")
        group = root
        for each in groups:
            group = group.setdefault(each, {})
        group[leaf] = value
    return yaml.safe_dump(root, allow_unicode=True, width=1000) if root else ""


def _without_line(mistake: str) -> str:
    """A mistake without the number of a line that nobody wrote."""
    number, colon, rest = mistake.partition(": ")
    return rest if colon and number.isdigit() else mistake
