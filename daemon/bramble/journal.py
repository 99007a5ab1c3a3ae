"""The last lines of the log, kept for the admin's page: bounded, numbered, and gone when Bramble ends."""

import logging
from collections import deque
from itertools import count

import msgspec

KEPT = 1000
LONGEST = 2000
"""Lines that are kept, and characters of one."""


class Line(msgspec.Struct, frozen=True):
    """One line; `time` in seconds since 1970."""

    n: int
    time: float
    level: str
    name: str
    text: str


class Journal(logging.Handler):
    """A handler that remembers. Lines come from any thread."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: deque[Line] = deque(maxlen=KEPT)
        self._numbers = count(1)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record)[:LONGEST]
        except Exception:  # a line that cannot be formatted must not break who logged it
            self.handleError(record)
            return
        level, at = record.levelname.lower(), record.created
        self._lines.append(Line(next(self._numbers), at, level, record.name, text))

    def after(self, n: int) -> list[Line]:
        """The lines after line `n`, oldest first."""
        return [line for line in self._lines.copy() if line.n > n]
