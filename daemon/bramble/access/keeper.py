"""Lets people in: by password, session or key, and slows down whoever guesses. It does not know what they may do."""

import asyncio
import base64
import hmac
import secrets
import time
from binascii import Error as NotBase64
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from bramble.access import book, passwords, setup
from bramble.access.book import ADMIN, KEY_PREFIX, Book, Contents
from bramble.access.desk import Desk
from bramble.access.identity import NOBODY, Identity, WrongPassword
from bramble.access.sessions import Sessions
from bramble.access.tries import Address, Tries
from bramble.errors import BadRequest

T = TypeVar("T")

BASIC_SECONDS = 300.0
"""Basic credentials come with every request; so long they are not computed again."""
USED_SECONDS = 3600.0
"""How exactly a key's last use is remembered."""


class Keeper:
    """Who may come in, from the files in `state_dir`."""

    def __init__(self, state_dir: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder, self._clock = state_dir, clock
        self._desk = Desk()
        self._tries = Tries(clock)
        self.book = Book(state_dir)
        self.sessions = Sessions(state_dir, self.book, self._desk.save)
        self._secret = secrets.token_bytes(32)
        self._basic: dict[bytes, tuple[str, float]] = {}
        self._used: dict[str, float] = {}
        self._nobody = ""
        self._watchers: list[Callable[[], None]] = []

    def watch(self, callback: Callable[[], None]) -> None:
        """Call back where somebody who came in may have to leave: see `is_still`."""
        self._watchers.append(callback)

    def look(self) -> None:
        """Somebody signed out, or the files may have changed."""
        for watcher in self._watchers:
            watcher()

    def close(self) -> None:
        """What is to be remembered is on the disk when this returns."""
        self._desk.close()

    @property
    def is_claimed(self) -> bool:
        """Whether the appliance has an admin password."""
        return bool(self.book.contents.admin)

    async def setup_code(self) -> str:
        """The code of an appliance that has no password yet, made where it is missing; else empty."""
        if self.is_claimed:
            return ""
        return await asyncio.to_thread(setup.read_or_make, self._folder)

    # ── passwords ────────────────────────────────────────────────────────────────────────────────

    async def claim(self, code: str, password: str, address: Address) -> None:
        """Set the first admin password. Raises WrongPassword, BadRequest, TooMany."""
        passwords.require_good(password)
        right = self._tries.begin(ADMIN, address)
        if self.is_claimed or not setup.is_right(code, self._folder):
            raise WrongPassword("This is not the setup code, or a password is set already.")
        right()
        await self._desk.do(lambda: self._claim(passwords.hashed(password)))

    async def sign_in(self, name: str, password: str, address: Address) -> str:
        """The token of a new session. Raises WrongPassword, TooMany."""
        await self._check(name, password, address)
        return self.sessions.begin(name)

    async def change_password(self, name: str, old: str, new: str, address: Address) -> None:
        """Raises WrongPassword, BadRequest, TooMany."""
        passwords.require_good(new)
        await self._check(name, old, address)
        await self.set_password(name, new)

    async def set_password(self, name: str, new: str) -> None:
        """Without the old one: for the admin. Raises BadRequest, NotFound, TooMany."""
        passwords.require_good(new)
        await self.change(lambda all: book.set_password(all, name, passwords.hashed(new)))

    async def add_account(self, name: str, password: str) -> None:
        """Raises BadRequest, TooMany."""
        passwords.require_good(password)
        await self.change(lambda all: book.add_account(all, name, passwords.hashed(password)))

    async def change(self, work: Callable[[Contents], T]) -> T:
        """Change who may sign in, in the desk's thread. Raises what `work` raises, TooMany, BookDamaged."""

        def changed() -> T:
            with self.book.change() as contents:
                return work(contents)

        return await self._desk.do(changed)

    # ── who is asking ────────────────────────────────────────────────────────────────────────────

    async def identify(
        self, authorization: str, cookie: str, address: Address, *, must: bool
    ) -> Identity:
        """Who shows this header, or this session's token. The header counts more: a program sends it on purpose.

        Where nobody `must` sign in, what is not meant for Bramble is nobody's: clients send any key. Raises
        WrongPassword, TooMany.
        """
        kind, _, value = authorization.strip().partition(" ")
        if kind.lower() == "bearer" and (must or value.strip().startswith(KEY_PREFIX)):
            return self._by_key(value.strip())
        if kind.lower() == "basic":
            name, password = _pair(value.strip())
            if password.startswith(KEY_PREFIX):
                return self._by_key(password)
            if must or self.book.password_of(name):
                await self._check_again(name, password, address)
                return Identity(name, name == ADMIN)
        if cookie and (found := self.sessions.find(cookie)):
            return Identity(found[1], found[1] == ADMIN, session=found[0])
        return NOBODY

    def is_still(self, identity: Identity) -> bool:
        """Whether somebody who came in would still be let in by what they showed."""
        if identity.session:
            return self.sessions.name(identity.session) == identity.name
        if identity.key:
            return identity.key in self.book.contents.keys
        return not identity.name or bool(self.book.password_of(identity.name))

    async def _check(self, name: str, password: str, address: Address) -> None:
        """Raises WrongPassword; TooMany, without computing anything, where too many were wrong before."""
        right = self._tries.begin(name, address)
        kept = self.book.password_of(name)
        if not await self._desk.do(lambda: self._matches(password, kept)):
            raise WrongPassword
        right()

    async def _check_again(self, name: str, password: str, address: Address) -> None:
        """As `_check`, once for the same credentials in a while."""
        now, stamp = self._clock(), self.book.stamp(name)
        shown = msgspec.msgpack.encode((name, password))
        mark = hmac.digest(self._secret, shown, "sha256")
        known, until = self._basic.get(mark, ("", 0.0))
        if known and known == stamp and now < until:
            return
        await self._check(name, password, address)
        self._basic = {each: of for each, of in self._basic.items() if now < of[1]}
        self._basic[mark] = (stamp, now + BASIC_SECONDS)

    def _matches(self, password: str, kept: str) -> bool:
        """Takes as long where nothing is kept, so that nobody learns by it who has an account."""
        if len(password) > passwords.LONGEST:
            return False
        if not kept:
            self._nobody = self._nobody or passwords.hashed(secrets.token_hex(16))
        return passwords.matches(password, kept or self._nobody) and bool(kept)

    def _claim(self, kept: str) -> None:
        with self.book.change() as contents:
            if contents.admin:  # somebody was faster
                raise BadRequest("A password is set already.")
            contents.admin = kept
        setup.remove(self._folder)

    # ── keys ─────────────────────────────────────────────────────────────────────────────────────

    def _by_key(self, secret: str) -> Identity:
        found = self.book.key(secret)
        if found is None:
            raise WrongPassword("This API key is not known here.")
        id, key = found
        now = time.time()
        if now - max(key.used, self._used.get(id, 0.0)) > USED_SECONDS:
            self._used[id] = now
            self._desk.later(lambda: self._use(id, now))
        return Identity(key.account, key.admin, key=id)

    def _use(self, id: str, now: float) -> None:
        with self.book.change() as contents:
            if id in contents.keys:
                contents.keys[id] = msgspec.structs.replace(contents.keys[id], used=now)


def _pair(value: str) -> tuple[str, str]:
    """Name and password of Basic credentials; two empty texts where it is nonsense."""
    try:
        text = base64.b64decode(value, validate=True).decode()
    except (NotBase64, ValueError):
        return "", ""
    name, _, password = text.partition(":")
    return name, password
