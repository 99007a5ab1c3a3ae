"""`bramble password`, `accounts` and `keys`, for people at a terminal: they change the same files as the page does.

A running Bramble notices within seconds. Passwords are asked for or read from stdin, never taken as arguments.
"""

import getpass
import sys
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.table import Column, Table

from bramble.access import book, passwords, setup
from bramble.access.book import ADMIN, Book, Contents
from bramble.config import Config
from bramble.errors import BadRequest, BrambleError

T = TypeVar("T")
WORDS = 4
"""Groups of a password that Bramble makes: 80 bits."""


class CannotWrite(BrambleError):
    """The folder of conversations and passwords is not this user's."""

    code = "cannot_write"


def password(config: Config, name: str, *, random: bool, forget: bool, code: bool) -> None:
    """Set the password of an account or the admin, or forget the admin's; print it only where it was made here."""
    if code:
        _show_code(config)
        return
    if forget:
        _change(config, _forget)
        print("The admin password is forgotten, and everybody who used it is signed out.")
        _show_code(config)
        return
    chosen = passwords.random_words(WORDS) if random else _ask()
    kept = _kept(chosen)
    _change(config, lambda contents: book.set_password(contents, name, kept))
    if name == ADMIN:
        setup.remove(config.state_dir)
    if random:
        print(f"The password of {name} is {chosen}\nIt is shown this once.")
    else:
        print(f"The password of {name} is set.")


def list_accounts(config: Config) -> None:
    """Print who has one."""
    contents = Book(config.state_dir).contents
    table = Table("account", "since", "keys", box=None, pad_edge=False)
    for name, account in sorted(contents.accounts.items()):
        keys = sum(key.account == name for key in contents.keys.values())
        table.add_row(name, _day(account.created), str(keys))
    Console().print(table)


def add_account(config: Config, name: str, *, random: bool) -> None:
    """Make one, with a password as `password` gets it."""
    chosen = passwords.random_words(WORDS) if random else _ask()
    kept = _kept(chosen)
    _change(config, lambda contents: book.add_account(contents, name, kept))
    print(f"{name} has an account" + (f" with the password {chosen}" if random else "."))


def remove_account(config: Config, name: str) -> None:
    """Take it away."""
    _change(config, lambda contents: book.remove_account(contents, name))
    print(f"{name} has no account any more; the conversations are kept.")


def list_keys(config: Config) -> None:
    """Print what each is for, and when it was used last; what it opens is shown nowhere."""
    table = Table(
        Column("id", no_wrap=True), "name", "of", "since", "last used", box=None, pad_edge=False
    )
    for row in _keys(Book(config.state_dir).contents):
        table.add_row(*row)
    Console().print(table)


def add_key(config: Config, name: str, *, account: str, admin: bool) -> None:
    """Make one and print it, this once."""
    id, secret = _change(
        config, lambda contents: book.add_key(contents, name, account=account, admin=admin)
    )
    print(f"{secret}\nThis is the key {id} ({name}). It is shown this once.")


def remove_key(config: Config, id: str) -> None:
    """Revoke one."""
    key = _change(config, lambda contents: book.remove_key(contents, id))
    print(f"The key {id} ({key.name}) opens nothing any more.")


def _keys(contents: Contents) -> Iterator[tuple[str, ...]]:
    for id, key in sorted(contents.keys.items(), key=lambda each: each[1].created):
        whose = "admin" if key.admin else key.account or "nobody's"
        yield id, key.name, whose, _day(key.created), _day(key.used) if key.used else "never"


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(seconds))


def _ask() -> str:
    """Twice at a terminal, else a line of stdin."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    chosen = getpass.getpass("New password: ")
    if getpass.getpass("Once more: ") != chosen:
        raise BadRequest("These are two passwords.")
    return chosen


def _kept(chosen: str) -> str:
    passwords.require_good(chosen)
    return passwords.hashed(chosen)


def _forget(contents: Contents) -> None:
    contents.admin = ""


def _show_code(config: Config) -> None:
    if Book(config.state_dir).contents.admin:
        raise BadRequest("A password is set: there is no setup code.", "`--forget` makes one.")
    try:
        print(f"The setup code is {setup.read_or_make(config.state_dir)}")
    except OSError as error:
        raise _cannot(config, error) from error


def _change(config: Config, work: Callable[[Contents], T]) -> T:
    try:
        with Book(config.state_dir).change() as contents:
            return work(contents)
    except OSError as error:
        raise _cannot(config, error) from error


def _cannot(config: Config, error: OSError) -> CannotWrite:
    return CannotWrite(
        f"{config.state_dir} cannot be written: {error.strerror or error}.",
        "Run this as the user that Bramble runs as, or with sudo.",
    )
