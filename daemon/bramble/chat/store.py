"""Conversations on disk: SQLite, one connection, one thread. Knows nothing of answers that are still running."""

import asyncio
import errno
import logging
import secrets
import shutil
import sqlite3
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from bramble.chat import shelf, tree
from bramble.chat.migrations import MIGRATIONS
from bramble.chat.records import Hit, Message, Speaker, Status, Stored, Summary
from bramble.errors import BadRequest, BrambleError

log = logging.getLogger("bramble.chat")

T = TypeVar("T")
PRAGMAS = ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "secure_delete = ON")


SPARE = 256 * 1024
"""Bytes: where less is free, the disk counts as full; file systems keep something for themselves."""
LATE_MOST = 64
"""Replies that wait for room on the disk at most."""


class CannotOpen(BrambleError):
    """The file cannot be used; the message says why."""

    code = "internal"


class DiskFull(BrambleError):
    """The disk takes nothing any more, so nothing was kept."""

    code = "disk_full"

    def __init__(self) -> None:
        super().__init__("The disk is full, so this cannot be stored.", "Free some space on it.")


class Store:
    """Each method is one transaction, on disk before it returns; they run one after another in the store's thread.

    What changes something raises DiskFull where the disk is; all of them do while the file waits to be opened for that.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened = False
        self._late: deque[Callable[[], None]] = deque(maxlen=LATE_MOST)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")

    async def open(self) -> None:
        """Make or migrate the file; what was being written when the daemon died is interrupted now.

        Where the disk is full that is done as soon as there is room. Raises CannotOpen.
        """
        try:
            await self._run(lambda: None)
        except DiskFull:
            log.error("%s cannot be opened before there is room on the disk.", self._path)
        except (OSError, sqlite3.Error) as error:
            raise CannotOpen(f"{self._path} cannot be opened: {error}.") from error

    async def close(self) -> None:
        """Finish what is queued, then close the file."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()

    async def find(self, owner: str, ref: str) -> Stored | None:
        """The message that this owner stored under this name, if one was."""
        return await self._run(lambda: self._find(owner, ref))

    async def say(
        self, owner: str, conversation: str | None, ref: str, text: str, role: str | None = None
    ) -> Stored:
        """Store a person's message under a new name, and an empty reply to it; None starts a conversation.

        `role` is who answers in a conversation that starts. Raises NotFound.
        """
        return await self._run(lambda: self._say(owner, conversation, ref, text, role))

    async def edit(
        self, owner: str, conversation: str, message: int, ref: str, text: str
    ) -> Stored:
        """Store another version of a person's message, and an empty reply to it. Raises NotFound, BadRequest."""
        return await self._run(lambda: self._edit(owner, conversation, message, ref, text))

    async def regenerate(self, owner: str, conversation: str, message: int) -> Stored:
        """Store another, still empty version of a reply. Raises NotFound, BadRequest."""
        return await self._run(lambda: self._regenerate(owner, conversation, message))

    async def select(self, owner: str, conversation: str, message: int) -> None:
        """Show the branch that this message is in. Raises NotFound."""
        await self._run(lambda: self._select(owner, conversation, message))

    async def write(self, message: int, text: str, status: Status, reason: str = "") -> None:
        """Replace what a reply says. Raises DiskFull; its last words are then written as soon as there is room."""
        writing = partial(self._write, message, text, status, reason)
        try:
            await self._run(writing)
        except DiskFull:
            if status != "writing":
                self._late.append(writing)
            raise

    async def messages(self, owner: str, conversation: str) -> list[Message]:
        """The branch of a conversation that is shown, oldest first. Raises NotFound."""
        return await self._run(lambda: self._messages(owner, conversation))

    async def page(self, owner: str, after: str | None, limit: int) -> list[Summary]:
        """The owner's conversations, as `shelf.page`."""
        return await self._run(lambda: shelf.page(self._database, owner, after, limit))

    async def summary(self, owner: str, conversation: str) -> Summary:
        """One conversation's name and times. Raises NotFound."""
        return await self._run(lambda: shelf.summary(self._database, owner, conversation))

    async def search(self, owner: str, query: str) -> list[Hit]:
        """What `shelf.search` finds."""
        return await self._run(lambda: shelf.search(self._database, owner, query))

    async def rename(self, owner: str, conversation: str, title: str) -> None:
        """Give a conversation another title. Raises NotFound, BadRequest."""
        await self._run(lambda: shelf.rename(self._database, owner, conversation, title))

    async def delete(self, owner: str, conversation: str) -> None:
        """Delete a conversation for good. Raises NotFound."""
        await self._run(lambda: shelf.delete(self._database, owner, conversation))

    async def read(self, look: Callable[[sqlite3.Connection], T]) -> T:
        """What another room looks up, in the store's thread."""
        return await self._run(lambda: look(self._database))

    async def change(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What another room changes: one transaction in the store's thread."""
        return await self._run(lambda: self._change(work))

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._do, work)

    # ── from here on in the store's thread ───────────────────────────────────────────────────────

    def _do(self, work: Callable[[], T]) -> T:
        try:
            if not self._opened:
                self._open()
            self._catch_up()
            return work()
        except (OSError, sqlite3.Error) as error:
            if self._is_full(error):
                raise DiskFull from error
            raise

    def _catch_up(self) -> None:
        """Write what there was no room for, if there is now."""
        try:
            while self._late:
                self._late[0]()
                self._late.popleft()
        except sqlite3.Error as error:
            if not self._is_full(error):
                raise

    def _is_full(self, error: OSError | sqlite3.Error) -> bool:
        """SQLite says so itself, or fails otherwise where it finds no room for its log or its index of that."""
        if isinstance(error, OSError):
            return error.errno == errno.ENOSPC
        kind = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if kind in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN):
            return shutil.disk_usage(self._path.parent).free < SPARE
        return kind == sqlite3.SQLITE_FULL

    def _close(self) -> None:
        if self._opened:
            self._catch_up()
            self._opened = False
            self._database.close()

    def _open(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path.touch(mode=0o600)  # SQLite gives its other files the same rights
        self._database = sqlite3.connect(self._path, timeout=5.0, isolation_level=None)
        try:
            self._prepare()
        except BaseException:
            self._database.close()
            raise
        self._opened = True

    def _prepare(self) -> None:
        for pragma in PRAGMAS:
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

    def _change(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._database:
            self._execute("BEGIN IMMEDIATE")
            return work(self._database)

    def _find(self, owner: str, ref: str) -> Stored | None:
        statement = """
            SELECT said.conversation, said.id, min(reply.id) FROM messages AS said
            JOIN messages AS reply ON reply.parent = said.id
            JOIN conversations ON conversations.id = said.conversation
            WHERE said.ref = ? AND owner = ? GROUP BY said.id
        """
        row = self._execute(statement, ref, owner).fetchone()
        return Stored(*row) if row else None

    def _say(
        self, owner: str, conversation: str | None, ref: str, text: str, role: str | None
    ) -> Stored:
        with self._database:
            self._execute("BEGIN IMMEDIATE")
            if conversation is None:
                conversation = self._start(owner, text, role)
            else:
                shelf.check(self._database, owner, conversation)
            return self._ask(conversation, tree.head(self._database, conversation), ref, text)

    def _edit(self, owner: str, conversation: str, message: int, ref: str, text: str) -> Stored:
        with self._database:
            self._execute("BEGIN IMMEDIATE")
            shelf.check(self._database, owner, conversation)
            role, parent = tree.place(self._database, conversation, message)
            if role != "user":
                raise BadRequest("Only what a person said can be edited.", field="message")
            return self._ask(conversation, parent, ref, text)

    def _regenerate(self, owner: str, conversation: str, message: int) -> Stored:
        with self._database:
            self._execute("BEGIN IMMEDIATE")
            shelf.check(self._database, owner, conversation)
            role, parent = tree.place(self._database, conversation, message)
            if role != "assistant" or parent is None:
                raise BadRequest("Only an answer can be given anew.", field="message")
            reply = self._add(conversation, parent, "assistant", "", "writing")
            return Stored(conversation, parent, reply)

    def _select(self, owner: str, conversation: str, message: int) -> None:
        with self._database:
            self._execute("BEGIN IMMEDIATE")
            shelf.check(self._database, owner, conversation)
            tree.place(self._database, conversation, message)
            tree.show(self._database, conversation, message)

    def _start(self, owner: str, text: str, role: str | None) -> str:
        conversation, now = secrets.token_urlsafe(16), time.time()
        statement = """
            INSERT INTO conversations (id, created, updated, owner, title, role)
            VALUES (?, ?, ?, ?, ?, ?)
        """
        values = (conversation, now, now, owner, shelf.heading(text), role or "")
        self._execute(statement, *values)
        return conversation

    def _ask(self, conversation: str, parent: int | None, ref: str, text: str) -> Stored:
        message = self._add(conversation, parent, "user", text, "whole", ref)
        reply = self._add(conversation, message, "assistant", "", "writing")
        return Stored(conversation, message, reply)

    def _add(
        self,
        conversation: str,
        parent: int | None,
        role: Speaker,
        text: str,
        status: Status,
        ref: str | None = None,
    ) -> int:
        """Add a message after `parent`; it ends the branch that is shown from now on."""
        statement = """
            INSERT INTO messages (conversation, parent, role, text, status, created, ref)
            VALUES (?, ?, ?, ?, ?, ?, ?)
        """
        now = time.time()
        values = (conversation, parent, role, text, status, now, ref)
        message = self._execute(statement, *values).lastrowid
        assert message is not None  # an INSERT has one
        update = "UPDATE conversations SET updated = ?, head = ? WHERE id = ?"
        self._execute(update, now, message, conversation)
        return message

    def _write(self, message: int, text: str, status: Status, reason: str) -> None:
        statement = "UPDATE messages SET text = ?, status = ?, reason = ? WHERE id = ?"
        self._execute(statement, text, status, reason, message)

    def _messages(self, owner: str, conversation: str) -> list[Message]:
        shelf.check(self._database, owner, conversation)
        return tree.branch(self._database, conversation)
