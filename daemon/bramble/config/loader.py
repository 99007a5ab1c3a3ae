"""File and overrides → Config. It refuses to start on a mistake, and then names every one of them at once."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from bramble.config.schema import SECTIONS, SETTINGS, Config
from bramble.config.source import Entry, from_file, from_overrides
from bramble.config.values import Wrong, take
from bramble.errors import ConfigError

PAGE_FILE = "settings.yaml"
"""In `state_dir`: what was changed on the page."""
SYSTEM_FILE = Path("/etc/bramble/config.yaml")


def default_file() -> Path | None:
    """The file that is used where none is named: the machine's, if it has one."""
    try:
        SYSTEM_FILE.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        pass  # it is there but out of reach: reading it says so, running without it would hide that
    return SYSTEM_FILE


def load(path: Path | None, overrides: Sequence[str], *, page: Path | None = None) -> Config:
    """Read `path` (None: `default_file`), what was changed on the page, then `overrides`: the last one counts.

    An override is like `engine.context=8192`, its value YAML. `page` stands for the page's file. Raises ConfigError
    with a line for each mistake.
    """
    mistakes: list[str] = []
    first = _values(_entries(path or default_file(), overrides, mistakes), mistakes)
    page = page or _build(first).state_dir / PAGE_FILE
    if _is_there(page):
        mistakes = []
        entries = _entries(path or default_file(), overrides, mistakes, page)
        first = _values(entries, mistakes)
    if mistakes:
        raise ConfigError("\n".join(mistakes), "config.example.yaml shows every setting.")
    return _build(first)


def written(path: Path | None, overrides: Sequence[str], page: Path) -> dict[str, str]:
    """Where each setting was written that counts: file, page or command."""
    found: dict[str, str] = {}
    for entry in _entries(path or default_file(), overrides, [], page):
        where = "page" if entry.file == page else "file"
        found[entry.name] = where if entry.file else "command"
    return found


def _values(entries: Iterable[Entry], mistakes: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for entry in entries:
        kind = SETTINGS.get(entry.name)
        if kind is None:
            mistakes.append(f"{entry.place(entry.node)}: {_unknown(entry.name)}")
            continue
        try:
            values[entry.name] = take(entry.node, kind)
        except Wrong as wrong:
            mistakes += [f"{entry.place(node)}: {what}" for node, what in wrong.mistakes]
    return values


def _is_there(page: Path) -> bool:
    try:
        return page.is_file()
    except (
        OSError
    ):  # not ours to read, as for `bramble check` of another user: it says nothing then
        return False


def _entries(
    file: Path | None, overrides: Sequence[str], mistakes: list[str], page: Path | None = None
) -> Iterator[Entry]:
    for each in (file, page):
        if each is not None and (each == file or _is_there(each)):
            yield from from_file(each, SECTIONS, mistakes)
    yield from from_overrides(overrides, mistakes)


def _unknown(name: str) -> str:
    near = _nearest(name, [*SETTINGS, *SECTIONS])
    return f"unknown setting, did you mean {near}?" if near else "unknown setting"


def _nearest(name: str, known: Sequence[str]) -> str | None:
    """The known name most like this one; one that is right but for its section counts as very near."""
    leaves = {full.rpartition(".")[2]: full for full in reversed(known)}  # of two the first stays
    leaf = name.rpartition(".")[2]
    if leaf in leaves:
        return leaves[leaf]
    whole = get_close_matches(name, known, n=1, cutoff=0.75)
    parts = get_close_matches(leaf, leaves, n=1, cutoff=0.75)
    return (whole + [leaves[part] for part in parts] + [None])[0]


def _build(values: Mapping[str, Any]) -> Config:
    return Config(**_inside("", values))


def _inside(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """What a group holds by plain name: its settings that were given, and its groups."""
    found = {
        name.removeprefix(prefix): value
        for name, value in values.items()
        if name.startswith(prefix) and "." not in name.removeprefix(prefix)
    }
    for section, struct in SECTIONS.items():
        leaf = section.removeprefix(prefix)
        if section.startswith(prefix) and "." not in leaf:
            found[leaf] = struct(**_inside(f"{section}.", values))
    return found
