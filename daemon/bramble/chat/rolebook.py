"""Roles of one owner, and which of them answers in a conversation. Plain SQL, called in the store's thread."""

import sqlite3
import time

import msgspec

from bramble.chat import shelf
from bramble.chat.records import Role, Settings
from bramble.errors import BadRequest, NotFound

MOST = 64
"""Roles of one owner."""

FIELDS = "id, name, prompt, language, settings"


def roles(database: sqlite3.Connection, owner: str) -> list[Role]:
    """All of this owner's, oldest first."""
    statement = f"SELECT {FIELDS} FROM roles WHERE owner = ? ORDER BY created, id"
    return [_role(*row) for row in database.execute(statement, (owner,))]


def role(database: sqlite3.Connection, owner: str, id: str) -> Role:
    """One of this owner's. Raises NotFound."""
    statement = f"SELECT {FIELDS} FROM roles WHERE owner = ? AND id = ?"
    row = database.execute(statement, (owner, id)).fetchone()
    if row is None:
        raise NotFound("There is no such role.", "Choose another.")
    return _role(*row)


def add(database: sqlite3.Connection, owner: str, role: Role) -> None:
    """Raises BadRequest where the owner has enough."""
    count = "SELECT count(*) FROM roles WHERE owner = ?"
    if database.execute(count, (owner,)).fetchone()[0] >= MOST:
        raise BadRequest(f"You have {MOST} roles of your own already.", "Delete one first.")
    statement = f"INSERT INTO roles ({FIELDS}, owner, created) VALUES (?, ?, ?, ?, ?, ?, ?)"
    database.execute(statement, (role.id, *_values(role), owner, time.time()))


def change(database: sqlite3.Connection, owner: str, new: Role) -> None:
    """Raises NotFound."""
    role(database, owner, new.id)
    statement = "UPDATE roles SET name = ?, prompt = ?, language = ?, settings = ? WHERE id = ?"
    database.execute(statement, (*_values(new), new.id))


def delete(database: sqlite3.Connection, owner: str, id: str) -> None:
    """Conversations that have it go on without one. Raises NotFound."""
    role(database, owner, id)
    database.execute("DELETE FROM roles WHERE id = ?", (id,))
    database.execute("UPDATE conversations SET role = '' WHERE role = ?", (id,))


def give(database: sqlite3.Connection, owner: str, conversation: str, id: str | None) -> None:
    """Raises NotFound where the conversation is not this owner's."""
    shelf.check(database, owner, conversation)
    database.execute("UPDATE conversations SET role = ? WHERE id = ?", (id or "", conversation))


def _role(id: str, name: str, prompt: str, language: str, settings: str) -> Role:
    return Role(id, name, prompt, language, msgspec.json.decode(settings, type=Settings), own=True)


def _values(role: Role) -> tuple[str, str, str, str]:
    return role.name, role.prompt, role.language, msgspec.json.encode(role.settings).decode()
