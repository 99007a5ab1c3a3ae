"""Copies of the store's file: made while it is written, and looked at before they take its place."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from bramble.chat.migrations import MIGRATIONS
from bramble.errors import BrambleError


class NoCopy(BrambleError):
    """A file that cannot be made, or from which nothing can be restored; the message says why."""

    code = "no_copy"


def copy(source: Path, target: Path) -> None:
    """A whole, consistent copy at `target`, in one file of its own. Raises NoCopy.

    It only reads: the one that writes goes on meanwhile, and does not wait (SQLite's log keeps what is being copied).
    """
    if not source.is_file():
        raise NoCopy(
            f"There is no {source}.", "Nothing was ever said, or state_dir is another one."
        )
    part = target.with_name(f".{target.name}.part")
    try:
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with (
            closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True, timeout=10)) as database,
            closing(sqlite3.connect(part, isolation_level=None)) as other,
        ):
            database.backup(other)
            other.execute("PRAGMA journal_mode = DELETE").fetchall()
        check(part)
        settle(part, target)
    except (OSError, sqlite3.Error) as error:
        raise NoCopy(f"{target} cannot be written: {error}.") from error
    finally:
        part.unlink(missing_ok=True)


def check(file: Path) -> None:
    """Raises NoCopy where this is no whole store that this Bramble knows."""
    if not file.is_file():
        raise NoCopy(f"There is no file {file}.")
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro&immutable=1", uri=True)) as database:
            (version,) = database.execute("PRAGMA user_version").fetchone()
            tables = (
                "SELECT count(*) FROM sqlite_schema WHERE name IN ('conversations', 'messages')"
            )
            if database.execute(tables).fetchone() != (2,) or not version:
                raise NoCopy(f"{file} holds no conversations of Bramble.")
            if version > len(MIGRATIONS):
                raise NoCopy(f"{file} was written by a newer Bramble.", "Update this one first.")
            if (found := database.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
                raise NoCopy(f"{file} is damaged: {found}.", "Take an older copy.")
    except sqlite3.Error as error:
        raise NoCopy(f"{file} is no copy of conversations: {error}.") from error


def settle(part: Path, target: Path) -> None:
    """Let a finished file take its place, whole or not at all, also where the power goes."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(target)
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """What was renamed in there stays so."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
