"""The one thread in which passwords are computed and this room's files are written: nobody's answer waits for it."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from bramble import durable
from bramble.errors import TooMany

log = logging.getLogger("bramble.access")

T = TypeVar("T")
WAITING = 16
"""Passwords and changes that may wait to be worked on."""
BUSY_SECONDS = 5.0


class Desk:
    """Does one thing after another, so memory for one password is enough and no two writes overtake each other."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="access")
        self._waiting = 0

    async def do(self, work: Callable[[], T]) -> T:
        """What `work` returns. Raises TooMany where the desk is full."""
        if self._waiting >= WAITING:
            raise TooMany("Too many people are signing in at once.", BUSY_SECONDS)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        finally:
            self._waiting -= 1

    def save(self, file: Path, data: bytes) -> None:
        """Replace a file, later; who signed in is not kept waiting, and a full disk is a line in the log."""
        self.later(lambda: durable.replace(file, data))

    def later(self, work: Callable[[], None]) -> None:
        """Do it when there is time."""
        self._thread.submit(_logged, work)

    def close(self) -> None:
        """Finish what was begun, a second or two."""
        self._thread.shutdown()


def _logged(work: Callable[[], None]) -> None:
    try:
        work()
    except Exception:
        log.exception("a file of who may sign in could not be written")
