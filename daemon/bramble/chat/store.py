"""Conversations on disk: one file, one thread. Knows nothing of answers that are still running."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from bramble.chat import scribe, shelf, tree
from bramble.chat.file import DiskFull, File, Work
from bramble.chat.parts import Part
from bramble.chat.records import Given, Hit, Message, Status, Stored, Summary, Unfinished
from bramble.chat.salvage import Damage
from bramble.errors import BrambleError

log = logging.getLogger("bramble.chat")

T = TypeVar("T")


class CannotOpen(BrambleError):
    """The file cannot be used; the message says why."""

    code = "internal"


class Store:
    """Each method is one transaction, on disk before it returns; they run one after another in the store's thread.

    What changes something raises DiskFull where the disk is; all of them do while the file waits to be opened for that.
    """

    def __init__(self, path: Path) -> None:
        self._file = File(path)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._watchers: list[Callable[[], None]] = []

    @property
    def damage(self) -> Damage | None:
        """What happened to a file that was damaged, since this daemon started."""
        return self._file.damage

    def watch(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back when damage was found; returns what ends that."""
        self._watchers.append(callback)
        return lambda: self._watchers.remove(callback)

    async def open(self) -> None:
        """Make or migrate the file; what was being written when the daemon died is interrupted now.

        Where the disk is full that is done as soon as there is room. Raises CannotOpen.
        """
        try:
            await self.read(lambda _: None)
        except DiskFull:
            log.error("%s cannot be opened before there is room on the disk.", self._file.path)
        except (OSError, sqlite3.Error) as error:
            raise CannotOpen(f"{self._file.path} cannot be opened: {error}.") from error

    async def close(self) -> None:
        """Finish what is queued, then close the file."""
        await self._run(self._file.close)
        self._thread.shutdown()

    async def find(self, owner: str, ref: str) -> Stored | None:
        """The message that this owner stored under this name, if one was."""
        return await self.read(lambda database: scribe.find(database, owner, ref))

    async def say(
        self, owner: str, conversation: str | None, ref: str, text: str, role: str | None = None
    ) -> Stored:
        """Store a person's message under a new name, and an empty reply to it; None starts a conversation.

        `role` is who answers in a conversation that starts. Raises NotFound.
        """
        values = (owner, conversation, ref, text, role)
        return await self.change(lambda database: scribe.say(database, *values))

    async def edit(
        self, owner: str, conversation: str, message: int, ref: str, text: str
    ) -> Stored:
        """Store another version of a person's message, and an empty reply to it. Raises NotFound, BadRequest."""
        values = (owner, conversation, message, ref, text)
        return await self.change(lambda database: scribe.edit(database, *values))

    async def regenerate(self, owner: str, conversation: str, message: int) -> Stored:
        """Store another, still empty version of a reply. Raises NotFound, BadRequest."""
        values = (owner, conversation, message)
        return await self.change(lambda database: scribe.regenerate(database, *values))

    async def go_on(self, owner: str, conversation: str, message: int, model: str) -> Stored:
        """Write on at a reply that is not whole, with this model. Raises NotFound, BadRequest."""
        values = (owner, conversation, message, model)
        return await self.change(lambda database: scribe.go_on(database, *values))

    async def unfinished(self, since: float) -> list[Unfinished]:
        """Replies that the daemon's end cut for the first time after `since`, where nothing followed; oldest first."""
        return await self.read(lambda database: scribe.unfinished(database, since))

    async def select(self, owner: str, conversation: str, message: int) -> None:
        """Show the branch that this message is in. Raises NotFound."""
        await self.change(lambda database: tree.select(database, owner, conversation, message))

    async def write(
        self,
        message: int,
        text: str,
        status: Status,
        reason: str = "",
        last: Part | None = None,
        given: Given | None = None,
    ) -> None:
        """Close a reply; `last` is its last part, which is kept unless it is whole. It was `given` from that.

        Raises DiskFull; it is then done as soon as there is room.
        """
        values = (message, text, status, reason, last, given)

        def writing(database: sqlite3.Connection) -> None:
            scribe.write(database, *values)

        try:
            await self.change(writing)
        except DiskFull:
            await self._run(partial(self._file.late, writing))
            raise

    async def messages(self, owner: str, conversation: str) -> list[Message]:
        """The branch of a conversation that is shown, oldest first. Raises NotFound."""
        return await self.change(lambda database: tree.messages(database, owner, conversation))

    async def conversations(self) -> list[str]:
        """All there are, of whomever."""
        return await self._run(lambda: self._file.read(shelf.names))

    async def page(self, owner: str, after: str | None, limit: int) -> list[Summary]:
        """The owner's conversations, as `shelf.page`."""
        return await self.read(lambda database: shelf.page(database, owner, after, limit))

    async def summary(self, owner: str, conversation: str) -> Summary:
        """One conversation's name and times. Raises NotFound."""
        return await self.read(lambda database: shelf.summary(database, owner, conversation))

    async def search(self, owner: str, query: str) -> list[Hit]:
        """What `shelf.search` finds."""
        return await self.read(lambda database: shelf.search(database, owner, query))

    async def rename(self, owner: str, conversation: str, title: str) -> None:
        """Give a conversation another title. Raises NotFound, BadRequest."""
        await self.change(lambda database: shelf.rename(database, owner, conversation, title))

    async def delete(self, owner: str, conversation: str) -> None:
        """Delete a conversation for good. Raises NotFound."""
        await self.read(lambda database: shelf.delete(database, owner, conversation))

    async def restore(self) -> None:
        """Take the copy that lies beside the file. Raises NoCopy; then everything is as it was."""
        await self._run(self._file.restore)

    async def read(self, look: Work[T]) -> T:
        """What is looked up, in the store's thread."""
        return await self._run(lambda: self._file.read(look))

    async def change(self, work: Work[T]) -> T:
        """What is changed: one transaction in the store's thread."""
        return await self._run(lambda: self._file.change(work))

    async def note(self, work: Work[None]) -> None:
        """A change that a crash does not undo, but maybe a power cut within the next half minute."""
        await self._run(lambda: self._file.note(work))

    async def _run(self, work: Callable[[], T]) -> T:
        before = self._file.damage
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        finally:
            if self._file.damage is not before:
                for watcher in list(self._watchers):
                    watcher()
