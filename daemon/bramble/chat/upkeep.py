"""Keeps the store within its bounds: the conversations that rested longest go first, never one being answered.

It works in slices, so that nobody's message waits long, and gives the freed space back to the disk.
"""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from itertools import islice

from bramble.chat.file import DiskFull
from bramble.chat.store import Store
from bramble.config import StoreSettings

log = logging.getLogger("bramble.chat")

LOOK_SECONDS = 3600.0
JUMP_SECONDS = 60.0
"""A clock that went so differently from the monotonic one has jumped: nothing is deleted by age then."""
DOWN_TO = 0.9
"""Where there is too much, so much of the bound is kept, so that it is not done at every look."""
CAREFUL, LEAST = 0.8, 0.02
"""Conversations differ in length: this part of what seems too much goes between two looks, and this of all at least."""
FREED_PAGES = 2000
MERGED_PAGES = 500
"""What one slice gives back or merges."""

Forget = Callable[[str], Awaitable[None]]

DAY = 86_400.0
MEGABYTE = 1 << 20


class Upkeep:
    """Made of the bounds. `busy` are the conversations that are being answered; `forget` is told who is deleted."""

    def __init__(
        self, settings: StoreSettings, store: Store, busy: Collection[str], forget: Forget
    ) -> None:
        self._settings, self._store, self._busy = settings, store, busy
        self._forget = forget
        self._clocks = time.time(), time.monotonic()

    async def run(self) -> None:
        """Look now and then, for ever."""
        while True:
            try:
                await self.look(old=self._clock_is_steady())
            except DiskFull:
                log.warning("the disk is too full to delete what is old")
            except sqlite3.Error:
                log.exception("the store could not be kept within its bounds")
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self, *, old: bool) -> None:
        """Delete what is too much, and, where `old`, what has rested too long."""
        gone = await self._delete_old() if old and self._settings.keep_days else 0
        if gone:
            days = f"{self._settings.keep_days:g}"
            log.info("%d conversations rested for more than %s days and are deleted", gone, days)
            await self._compact()
        await self._shrink()

    def _clock_is_steady(self) -> bool:
        """Whether the clock went on as it should since the last look; a board without a battery has one that jumps."""
        (wall, steady), self._clocks = self._clocks, (time.time(), time.monotonic())
        passed = self._clocks[1] - steady
        return passed > 1 and abs(self._clocks[0] - wall - passed) < JUMP_SECONDS

    async def _delete_old(self) -> int:
        before = time.time() - self._settings.keep_days * DAY
        return await self._delete(lambda database: _delete_old(database, before, self._busy))

    async def _delete(self, work: Callable[[sqlite3.Connection], list[str]]) -> int:
        """Whatever else is kept of what was deleted goes, too. Returns how many went."""
        gone = await self._store.change(work)
        for conversation in gone:
            await self._forget(conversation)
        return len(gone)

    async def _shrink(self) -> None:
        bound, gone = self._settings.max_mb * MEGABYTE, 0
        if await self._store.read(used) <= bound:
            return
        while (size := await self._store.read(used)) > DOWN_TO * bound:
            part = max(CAREFUL * (1 - DOWN_TO * bound / size), LEAST)
            some = await self._delete(partial(_delete_some, self._busy, part))
            if not some:
                break
            gone += some
            await self._compact()
        told = "conversations had more than %d MB: the %d that rested longest are deleted, %.1f MB are left"
        log.warning(told, self._settings.max_mb, gone, size / MEGABYTE)

    async def _compact(self) -> None:
        """What was deleted is gone from the index, the file and the log, and the file is smaller."""
        while await self._store.read(_merge):
            pass
        while await self._store.read(_free):
            pass
        await self._store.read(_fold)


def used(database: sqlite3.Connection) -> int:
    """Bytes that hold something."""
    pages, free, size = (
        database.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def _fold(database: sqlite3.Connection) -> None:
    """Bring the log into the file and empty it: it holds old pages."""
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _free(database: sqlite3.Connection) -> bool:
    # Not `execute`: it takes one step of a statement that has no columns, and each step frees one page.
    database.executescript(f"PRAGMA incremental_vacuum({FREED_PAGES})")
    return database.execute("PRAGMA freelist_count").fetchone()[0] > 0


def _merge(database: sqlite3.Connection) -> bool:
    """The index only notes that something is gone until its parts are merged. False once they are."""
    before = database.total_changes
    database.execute("INSERT INTO found (found, rank) VALUES ('merge', ?)", (-MERGED_PAGES,))
    return database.total_changes - before >= 2  # as FTS5's manual says


def _delete_old(database: sqlite3.Connection, before: float, busy: Collection[str]) -> list[str]:
    rows = database.execute("SELECT id FROM conversations WHERE updated < ?", (before,))
    return _delete(database, [id for (id,) in rows if id not in busy])


def _delete_some(busy: Collection[str], part: float, database: sqlite3.Connection) -> list[str]:
    """The next few by their last message: numbers only grow, a clock may jump."""
    (count,) = database.execute("SELECT count(*) FROM conversations").fetchone()
    statement = "SELECT conversation FROM messages GROUP BY conversation ORDER BY max(id)"
    resting = (id for (id,) in database.execute(statement) if id not in busy)
    return _delete(database, list(islice(resting, 1 + int(count * part))))


def _delete(database: sqlite3.Connection, ids: list[str]) -> list[str]:
    database.executemany("DELETE FROM conversations WHERE id = ?", [(id,) for id in ids])
    return ids
