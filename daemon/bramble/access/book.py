"""The file that says who may sign in: admin, accounts, API keys. Only hashes stand in it, and only its owner reads it.

The daemon and `bramble` change it both; each reads it anew when the other did.
"""

import hashlib
import re
import secrets
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from bramble import durable
from bramble.errors import BadRequest, BrambleError, NotFound

FILE = "access.json"
ADMIN = "admin"
NAME = re.compile(r"[^\W_][\w. -]{0,38}[\w.]|[^\W_]")
"""What an account may be called; a colon would end the name in Basic credentials."""
KEY_PREFIX = "bramble-"
MOST = 1000
"""Accounts, and keys."""


class Account(msgspec.Struct, frozen=True):
    """Somebody with a password. `created` in seconds since 1970."""

    password: str
    created: float


class Key(msgspec.Struct, frozen=True):
    """What a program signs in with. `hash` is the SHA-256 of its secret: 256 random bits need no slow hash.

    `account` is whose conversations it works in, empty for nobody's; `admin` may change the appliance. Times in seconds
    since 1970, 0 for never.
    """

    name: str
    hash: str
    created: float
    account: str = ""
    admin: bool = False
    used: float = 0.0


class Contents(msgspec.Struct):
    """All of the file. An empty `admin` is no password yet."""

    admin: str = ""
    accounts: dict[str, Account] = {}
    keys: dict[str, Key] = {}


class BookDamaged(BrambleError):
    """The file cannot be read; nobody is let in by guessing."""

    code = "internal"


class Book:
    """The file in `state_dir`, read when it changed."""

    def __init__(self, state_dir: Path) -> None:
        self._file = state_dir / FILE
        self._seen: tuple[int, ...] | None = None
        self._contents = Contents()
        self._by_hash: dict[str, str] = {}

    @property
    def contents(self) -> Contents:
        """What it says now; not to be changed by the reader. Raises BookDamaged."""
        seen = self._look()
        if seen != self._seen:
            self._contents = self._read()
            self._by_hash = {key.hash: id for id, key in self._contents.keys.items()}
            self._seen = seen
        return self._contents

    @contextmanager
    def change(self) -> Generator[Contents]:
        """Change it: what the block leaves is on the disk afterwards, unless it raises. Raises BookDamaged, OSError."""
        with durable.alone(self._file.parent):
            contents = self._read()
            yield contents
            durable.replace(self._file, msgspec.json.encode(contents))

    def password_of(self, name: str) -> str:
        """What is kept of somebody's password, empty for nobody."""
        contents = self.contents
        if name == ADMIN:
            return contents.admin
        account = contents.accounts.get(name)
        return account.password if account else ""

    def stamp(self, name: str) -> str:
        """Changes when somebody's password does; empty for nobody."""
        kept = self.password_of(name)
        return hashlib.sha256(kept.encode()).hexdigest()[:16] if kept else ""

    def key(self, secret: str) -> tuple[str, Key] | None:
        """The id and the key that this is the secret of."""
        contents = self.contents
        id = self._by_hash.get(_hash(secret))
        return (id, contents.keys[id]) if id else None

    def _look(self) -> tuple[int, ...] | None:
        try:
            status = self._file.stat()
        except FileNotFoundError:
            return ()
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _read(self) -> Contents:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=Contents)
        except FileNotFoundError:
            return Contents()
        except (OSError, msgspec.DecodeError) as error:
            raise BookDamaged(
                f"{self._file} cannot be read: {error}.",
                "Put it back from a backup, or delete it and run `bramble password`.",
            ) from error


# ── what is done to it ───────────────────────────────────────────────────────────────────────────


def set_password(contents: Contents, name: str, kept: str) -> None:
    """Give an account, or the admin, another password. Raises NotFound."""
    if name == ADMIN:
        contents.admin = kept
        return
    account = contents.accounts.get(name)
    if account is None:
        raise NotFound(f"There is no account {name}.")
    contents.accounts[name] = msgspec.structs.replace(account, password=kept)


def add_account(contents: Contents, name: str, kept: str) -> None:
    """Raises BadRequest where the name is taken or no name."""
    if not NAME.fullmatch(name) or name.lower() == ADMIN:
        raise BadRequest(
            f"{name[:60]!r} cannot be an account's name.",
            "It has 1 to 40 letters, digits, dots, dashes or blanks, and is not admin.",
            field="name",
        )
    if any(name.lower() == other.lower() for other in contents.accounts):
        raise BadRequest(f"There is an account {name} already.", field="name")
    _require_room(contents.accounts)
    contents.accounts[name] = Account(kept, time.time())


def remove_account(contents: Contents, name: str) -> None:
    """With it go its keys; its conversations stay on the disk. Raises NotFound."""
    if name not in contents.accounts:
        raise NotFound(f"There is no account {name}.")
    del contents.accounts[name]
    contents.keys = {id: key for id, key in contents.keys.items() if key.account != name}


def add_key(
    contents: Contents, name: str, *, account: str = "", admin: bool = False
) -> tuple[str, str]:
    """A new key: its id and its secret, which is told this once. Raises NotFound, BadRequest."""
    if account and account not in contents.accounts:
        raise NotFound(f"There is no account {account}.")
    if not 1 <= len(name.strip()) <= 60 or not name.isprintable():
        raise BadRequest("A key's name has 1 to 60 characters.", field="name")
    _require_room(contents.keys)
    id, secret = secrets.token_hex(4), KEY_PREFIX + secrets.token_urlsafe(32)
    contents.keys[id] = Key(name.strip(), _hash(secret), time.time(), account, admin)
    return id, secret


def remove_key(contents: Contents, id: str) -> Key:
    """From now on it opens nothing. Raises NotFound."""
    if id not in contents.keys:
        raise NotFound(f"There is no key {id}.", "See `bramble keys list`.")
    return contents.keys.pop(id)


def _require_room(them: dict[str, Account] | dict[str, Key]) -> None:
    if len(them) >= MOST:
        raise BadRequest(f"There are {MOST} already.")


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
