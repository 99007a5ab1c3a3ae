"""Conversations on disk: SQLite, one connection, one thread. Knows nothing of answers that are still running."""

import asyncio
import secrets
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from bramble.errors import BrambleError, NotFound

Role = Literal["user", "assistant"]
Status = Literal["whole", "stopped", "cut", "interrupted", "writing"]
T = TypeVar("T")

MIGRATIONS = (
    """
    CREATE TABLE conversations (
        id TEXT PRIMARY KEY, created REAL NOT NULL, updated REAL NOT NULL
    ) STRICT;
    CREATE TABLE messages (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        conversation TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
        role TEXT NOT NULL,
        text TEXT NOT NULL,
        status TEXT NOT NULL,
        reason TEXT NOT NULL DEFAULT '',
        created REAL NOT NULL,
        ref TEXT UNIQUE
    ) STRICT;
    CREATE INDEX messages_of_conversation ON messages (conversation, id);
    """,
)
"""Script n takes a file from user_version n to n + 1. One that was released never changes; append another."""


class Message(msgspec.Struct, frozen=True):
    """One message as it is stored."""

    id: int
    role: Role
    text: str
    status: Status


class Stored(msgspec.Struct, frozen=True):
    """Where a person's message is, and the message that its answer is written into."""

    conversation: str
    message: int
    reply: int


class CannotOpen(BrambleError):
    """The file cannot be used; the message says why."""

    code = "internal"


class Store:
    """Each method is one transaction, on disk before it returns; they run one after another in the store's thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")

    async def open(self) -> None:
        """Make or migrate the file; what was being written when the daemon died is interrupted now."""
        try:
            await self._run(self._open)
        except (OSError, sqlite3.Error) as error:
            raise CannotOpen(f"{self._path} cannot be opened: {error}.") from error

    async def close(self) -> None:
        """Finish what is queued, then close the file."""
        await self._run(lambda: self._database.close())
        self._thread.shutdown()

    async def find(self, ref: str) -> Stored | None:
        """The message that was stored under this name, if one was."""
        return await self._run(lambda: self._find(ref))

    async def say(self, conversation: str | None, ref: str, text: str) -> Stored:
        """Store a person's message under a new name, and an empty reply to it; None starts a conversation.

        Raises NotFound.
        """
        return await self._run(lambda: self._say(conversation, ref, text))

    async def write(self, message: int, text: str, status: Status, reason: str = "") -> None:
        """Replace what a reply says."""
        await self._run(lambda: self._write(message, text, status, reason))

    async def messages(self, conversation: str) -> list[Message]:
        """Everything said in a conversation, oldest first. Raises NotFound."""
        return await self._run(lambda: self._messages(conversation))

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    # ── from here on in the store's thread ───────────────────────────────────────────────────────

    def _open(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path.touch(mode=0o600)  # SQLite gives its other files the same rights
        self._database = sqlite3.connect(self._path, timeout=5.0, isolation_level=None)
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            self._database.execute(f"PRAGMA {pragma}")
        self._migrate()
        self._execute("UPDATE messages SET status = 'interrupted' WHERE status = 'writing'")

    def _migrate(self) -> None:
        (version,) = self._execute("PRAGMA user_version").fetchone()
        if version > len(MIGRATIONS):
            raise sqlite3.DatabaseError("it was written by a newer Bramble")
        for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
            self._database.executescript(f"BEGIN; {script} PRAGMA user_version = {number}; COMMIT")

    def _execute(self, statement: str, *values: str | float | None) -> sqlite3.Cursor:
        return self._database.execute(statement, values)

    def _find(self, ref: str) -> Stored | None:
        statement = """
            SELECT said.conversation, said.id, min(reply.id)
            FROM messages AS said JOIN messages AS reply USING (conversation)
            WHERE said.ref = ? AND reply.id > said.id GROUP BY said.id
        """
        row = self._execute(statement, ref).fetchone()
        return Stored(*row) if row else None

    def _say(self, conversation: str | None, ref: str, text: str) -> Stored:
        with self._database:
            self._execute("BEGIN IMMEDIATE")
            conversation = self._touch(conversation)
            message = self._add(conversation, "user", text, "whole", ref)
            return Stored(
                conversation, message, self._add(conversation, "assistant", "", "writing")
            )

    def _touch(self, conversation: str | None) -> str:
        """Make a conversation, or note that this one goes on."""
        now = time.time()
        if conversation is None:
            conversation = secrets.token_urlsafe(16)
            self._execute("INSERT INTO conversations VALUES (?, ?, ?)", conversation, now, now)
            return conversation
        statement = "UPDATE conversations SET updated = ? WHERE id = ?"
        if self._execute(statement, now, conversation).rowcount == 0:
            raise _unknown()
        return conversation

    def _add(
        self, conversation: str, role: Role, text: str, status: Status, ref: str | None = None
    ) -> int:
        statement = """
            INSERT INTO messages (conversation, role, text, status, created, ref)
            VALUES (?, ?, ?, ?, ?, ?) RETURNING id
        """
        row = self._execute(statement, conversation, role, text, status, time.time(), ref)
        return row.fetchone()[0]

    def _write(self, message: int, text: str, status: Status, reason: str) -> None:
        statement = "UPDATE messages SET text = ?, status = ?, reason = ? WHERE id = ?"
        self._execute(statement, text, status, reason, message)

    def _messages(self, conversation: str) -> list[Message]:
        if (
            self._execute("SELECT 1 FROM conversations WHERE id = ?", conversation).fetchone()
            is None
        ):
            raise _unknown()
        statement = "SELECT id, role, text, status FROM messages WHERE conversation = ? ORDER BY id"
        return [Message(*row) for row in self._execute(statement, conversation)]


def _unknown() -> NotFound:
    return NotFound("There is no such conversation.", "Start a new chat.")
