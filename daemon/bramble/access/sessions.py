"""Who is signed in: a random token in a cookie, its hash on the disk. A new password ends the old one's sessions."""

import hashlib
import secrets
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from bramble import durable
from bramble.access.book import ADMIN, Book

FILE = "sessions.json"
DAYS = {True: 1, False: 90}
"""Days without a visit after which a session is over: the admin's, and anybody else's."""
MOST = 2000
SEEN_SECONDS = 3600.0
"""How exactly the last visit is remembered: every visit would be a write to an SD card."""


class Session(msgspec.Struct, frozen=True):
    """`stamp` is that of the password it was opened with; `seen` in seconds since 1970."""

    name: str
    stamp: str
    seen: float


class Sessions:
    """All that are open, in `state_dir`. A file that cannot be read is as good as none: everybody signs in again."""

    def __init__(
        self,
        state_dir: Path,
        book: Book,
        save: Callable[[Path, bytes], None] = durable.replace,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._file, self._book, self._clock = state_dir / FILE, book, clock
        self._save = save
        self._open = self._read()

    def __len__(self) -> int:
        return len(self._open)

    def begin(self, name: str) -> str:
        """Open one; returns the token for the cookie."""
        token = secrets.token_urlsafe(32)
        self._open[_id(token)] = Session(name, self._book.stamp(name), self._clock())
        self._write()
        return token

    def find(self, token: str) -> tuple[str, str] | None:
        """The id of the session that this token opened and who it is, while it is valid."""
        id = _id(token)
        name = self.name(id)
        if name and self._clock() - self._open[id].seen > SEEN_SECONDS:
            self._open[id] = msgspec.structs.replace(self._open[id], seen=self._clock())
            self._write()
        return (id, name) if name else None

    def name(self, id: str) -> str:
        """Whose session this is; empty where it is over."""
        session = self._open.get(id)
        return session.name if session is not None and self._is_valid(session) else ""

    def end(self, id: str) -> None:
        """Sign out."""
        if self._open.pop(id, None):
            self._write()

    def _is_valid(self, session: Session) -> bool:
        limit = DAYS[session.name == ADMIN] * 86_400
        # A clock that was set back, as on a Pi without a battery, ends nobody's session.
        fresh = self._clock() - session.seen < limit
        return fresh and bool(session.stamp) and session.stamp == self._book.stamp(session.name)

    def _read(self) -> dict[str, Session]:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=dict[str, Session])
        except (OSError, msgspec.DecodeError):
            return {}

    def _write(self) -> None:
        valid = {id: each for id, each in self._open.items() if self._is_valid(each)}
        newest = sorted(valid, key=lambda id: valid[id].seen)[-MOST:]
        self._open = {id: valid[id] for id in newest}
        self._save(self._file, msgspec.json.encode(self._open))


def _id(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
