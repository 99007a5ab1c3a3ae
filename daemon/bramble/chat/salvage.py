"""What can still be read of a damaged file goes into a new one, row by row; unreadable rows are stepped over.

In the store's thread, with nobody else at either file.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import msgspec

TABLES = ("conversations", "messages", "roles")
FAR = 1 << 62
"""No row has a higher number."""

Row = tuple[object, ...]


class Damage(msgspec.Struct, frozen=True):
    """What happened to a damaged file: its name now, why, and how much of it was saved."""

    file: str
    reason: str
    conversations: int
    messages: int


def salvage(old: Path, new: sqlite3.Connection) -> tuple[int, int]:
    """Copy what can be read; returns how many conversations and messages are there now."""
    new.execute("PRAGMA foreign_keys = OFF")
    with closing(sqlite3.connect(old, isolation_level=None)) as source:
        source.text_factory = _text
        with suppress(sqlite3.Error):
            source.execute(
                "PRAGMA writable_schema = ON"
            )  # a schema that is partly wrong is read all the same
        with new:
            new.execute("BEGIN IMMEDIATE")
            for table in TABLES:
                _copy(source, new, table)
            _mend(new)
    new.execute("PRAGMA foreign_keys = ON")
    counts = [new.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES]
    return counts[0], counts[1]


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _copy(source: sqlite3.Connection, new: sqlite3.Connection, table: str) -> None:
    try:
        there = {name for _, name, *_ in source.execute(f"PRAGMA table_info({table})")}
    except sqlite3.Error:
        return
    columns = [name for _, name, *_ in new.execute(f"PRAGMA table_info({table})") if name in there]
    if not columns:
        return
    statement = f"""
        INSERT OR IGNORE INTO {table} ({", ".join(columns)}) VALUES ({", ".join("?" * len(columns))})
    """
    for row in _rows(source, table, columns):
        with suppress(sqlite3.Error):  # a row whose values are of the wrong kind is no row of ours
            new.execute(statement, row)


def _rows(source: sqlite3.Connection, table: str, columns: list[str]) -> Iterator[Row]:
    """All rows that can be read, by number; where one cannot, the next is looked for in steps that grow."""
    last, step = -1, 1
    while last < FAR:
        try:
            for number, *row in _after(source, table, columns, last):
                last, step = number, 1
                yield tuple(row)
            return
        except sqlite3.DatabaseError:
            reached = _first_readable(source, table, last, last + step)
            last, step = (reached, 1) if reached is not None else (last + step, step * 2)


def _first_readable(source: sqlite3.Connection, table: str, bad: int, far: int) -> int | None:
    """The number nearest after `bad` from which rows can be read, where they can from `far` on."""
    if not _reads(source, table, far):
        return None
    while far - bad > 1:
        middle = (bad + far) // 2
        if _reads(source, table, middle):
            far = middle
        else:
            bad = middle
    return far


def _reads(source: sqlite3.Connection, table: str, after: int) -> bool:
    try:
        next(_after(source, table, ["rowid"], after), None)
    except sqlite3.DatabaseError:
        return False
    return True


def _after(
    source: sqlite3.Connection, table: str, columns: list[str], after: int
) -> Iterator[tuple[int, *Row]]:
    statement = f"""
        SELECT rowid, {", ".join(columns)} FROM {table} NOT INDEXED WHERE rowid > ? ORDER BY rowid
    """
    yield from source.execute(statement, (after,))


def _mend(new: sqlite3.Connection) -> None:
    """Every message has a conversation, hangs on one that is there, and every conversation shows its newest branch."""
    new.executescript(
        """
        INSERT INTO conversations (id, created, updated, title)
        SELECT conversation, min(created), max(created), substr(text, 1, 60) FROM messages
        WHERE conversation NOT IN (SELECT id FROM conversations) GROUP BY conversation;
        UPDATE messages SET parent = (
            SELECT max(id) FROM messages AS before
            WHERE before.conversation = messages.conversation AND before.id < messages.id
        ) WHERE parent NOT IN (SELECT id FROM messages);
        UPDATE conversations SET head = (
            SELECT max(id) FROM messages WHERE conversation = conversations.id
        ) WHERE head IS NULL OR head NOT IN (SELECT id FROM messages);
        DELETE FROM conversations WHERE head IS NULL;
        """
    )
