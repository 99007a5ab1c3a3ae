"""The store's file: one SQLite connection, opened as soon as it can be, migrated, honest about full or damaged disks.

Everything here happens in the store's thread.
"""

import errno
import logging
import os
import shutil
import sqlite3
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from bramble.chat import copies, scribe
from bramble.chat.migrations import MIGRATIONS
from bramble.chat.salvage import Damage, salvage
from bramble.errors import BrambleError

log = logging.getLogger("bramble.chat")

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]
DATABASE, RESTORING = "bramble.sqlite", "bramble.sqlite.restoring"
PAGE = 1024
"""Bytes: a message changes a dozen pages, and each is written to the log whole: with 4096 a card wears faster."""
PRAGMAS = (
    "journal_mode = WAL",
    "wal_autocheckpoint = 4000",  # pages: what many turns change is written into the file once
    "synchronous = FULL",
    "foreign_keys = ON",
    "secure_delete = ON",
)
INCREMENTAL = 2
DAMAGED = ".damaged-"
"""Between the file's name and the date in the name of one that was set aside."""
SPARE = 256 * 1024
"""Bytes: where less is free, the disk counts as full; file systems keep something for themselves."""
LATE_MOST = 64
"""Changes that wait for room on the disk at most."""


class DiskFull(BrambleError):
    """The disk takes nothing any more, so nothing was kept."""

    code = "disk_full"

    def __init__(self) -> None:
        super().__init__("The disk is full, so this cannot be stored.", "Free some space on it.")


class File:
    """Made of a path, opened by the first `read` or `change`. Both raise DiskFull where there is no room."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._database: sqlite3.Connection | None = None
        self._late: deque[Work[None]] = deque(maxlen=LATE_MOST)
        self.damage: Damage | None = None

    def read(self, look: Work[T]) -> T:
        """What is looked up."""
        return self._do(look)

    def change(self, work: Work[T]) -> T:
        """What is changed in one transaction: on disk when this returns."""
        return self._do(lambda database: _transaction(database, work))

    def note(self, work: Work[None]) -> None:
        """A change that the kernel has when this returns, and the disk later: each wait would wear a card down more."""

        def unhurried(database: sqlite3.Connection) -> None:
            database.execute("PRAGMA synchronous = NORMAL")
            try:
                _transaction(database, work)
            finally:
                database.execute("PRAGMA synchronous = FULL")

        self._do(unhurried)

    def late(self, work: Work[None]) -> None:
        """Make this change as soon as there is room on the disk."""
        self._late.append(work)

    def restore(self) -> None:
        """Take the copy that lies beside it as RESTORING. Raises NoCopy; then everything is as it was."""
        new = self.path.with_name(RESTORING)
        copies.check(new)
        self._late.clear()
        self.close()
        before = self.path.with_name(f"{self.path.name}.before")
        before.unlink(missing_ok=True)
        if self.path.exists():
            os.link(self.path, before)
        copies.settle(new, self.path)
        try:
            self._do(lambda _: None)
        except (DiskFull, OSError, sqlite3.Error) as error:
            before.replace(self.path)
            raise copies.NoCopy(f"The copy cannot be used: {error}.") from error
        before.unlink(missing_ok=True)

    def close(self) -> None:
        """After what was late."""
        if self._database is not None:
            self._catch_up(self._database)
            self._database.close()
            self._database = None

    def _do(self, work: Work[T]) -> T:
        try:
            try:
                return self._work(work)
            except sqlite3.DatabaseError as error:
                if _code(error) not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                    raise
                self._set_aside(error)
                return self._work(work)
        except (OSError, sqlite3.Error) as error:
            if self._is_full(error):
                raise DiskFull from error
            raise

    def _work(self, work: Work[T]) -> T:
        if self._database is None:
            self._database = self._open()
        self._catch_up(self._database)
        return work(self._database)

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.touch(mode=0o600)  # SQLite gives its other files the same rights
        log_file = self.path.with_name(f"{self.path.name}-wal")
        broken_off = log_file.exists() and log_file.stat().st_size > 0
        database = sqlite3.connect(self.path, timeout=5.0, isolation_level=None)
        try:
            _shape(database)
            for pragma in PRAGMAS:
                database.execute(f"PRAGMA {pragma}").fetchall()
            if (
                broken_off
            ):  # a power cut or a crash: what it made of the card shows now, not in a month
                _look_through(database)
            _migrate(database)
            _transaction(database, scribe.close_all)
        except BaseException:
            database.close()
            raise
        return database

    def _set_aside(self, error: sqlite3.DatabaseError) -> None:
        """Keep the damaged file under another name and go on with what can be read of it."""
        if self._database is not None:
            with suppress(sqlite3.Error):
                self._database.close()
            self._database = None
        aside = self._rename_aside()
        log.error("%s is damaged (%s); it is kept as %s", self.path, error, aside.name)
        self._database = self._open()
        conversations, messages = salvage(aside, self._database)
        self.damage = Damage(aside.name, str(error), conversations, messages)
        log.error("%d messages of %d conversations were saved", messages, conversations)

    def _rename_aside(self) -> Path:
        name = f"{self.path.name}{DAMAGED}{datetime.now():%Y-%m-%d-%H%M%S}"
        while (aside := self.path.with_name(name)).exists():
            name += "-2"
        for end in ("", "-wal"):
            with suppress(FileNotFoundError):
                self.path.with_name(self.path.name + end).rename(f"{aside}{end}")
        self.path.with_name(f"{self.path.name}-shm").unlink(missing_ok=True)
        return aside

    def _catch_up(self, database: sqlite3.Connection) -> None:
        """Write what there was no room for, if there is now."""
        try:
            while self._late:
                _transaction(database, self._late[0])
                self._late.popleft()
        except sqlite3.Error as error:
            if not self._is_full(error):
                raise

    def _is_full(self, error: OSError | sqlite3.Error) -> bool:
        """SQLite says so itself, or fails otherwise where it finds no room for its log or its index of that."""
        if isinstance(error, OSError):
            return error.errno == errno.ENOSPC
        kind = _code(error)
        if kind in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN):
            return shutil.disk_usage(self.path.parent).free < SPARE
        return kind == sqlite3.SQLITE_FULL


def _code(error: sqlite3.Error) -> int:
    """SQLite's primary result code; 0 where this module itself complains."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _shape(database: sqlite3.Connection) -> None:
    """Small pages, and space that is given back. A file from before is written anew, once."""
    (given_back,) = database.execute("PRAGMA auto_vacuum").fetchone()
    (size,) = database.execute("PRAGMA page_size").fetchone()
    if (given_back, size) == (INCREMENTAL, PAGE):
        return
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    if pages:
        database.execute(
            "PRAGMA journal_mode = DELETE"
        ).fetchall()  # sizes are fixed while there is a log
    database.execute(f"PRAGMA page_size = {PAGE}")
    database.execute("PRAGMA auto_vacuum = INCREMENTAL")
    if pages:
        database.execute("VACUUM")


def _look_through(database: sqlite3.Connection) -> None:
    """Raise what SQLite itself raises where it notices damage."""
    (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        error = sqlite3.DatabaseError(f"database disk image is malformed: {found}")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error


def _transaction(database: sqlite3.Connection, work: Work[T]) -> T:
    with database:
        database.execute("BEGIN IMMEDIATE")
        return work(database)


def _migrate(database: sqlite3.Connection) -> None:
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        raise sqlite3.DatabaseError("it was written by a newer Bramble")
    for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
        database.executescript(f"BEGIN; {script} PRAGMA user_version = {number}; COMMIT")
