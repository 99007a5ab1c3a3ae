"""Messages are put into a conversation's tree: said, edited, answered anew, gone on with, closed.

Plain SQL, called in the store's thread, each within a transaction.
"""

import secrets
import sqlite3
import time

from bramble.chat import parts, shelf, tree
from bramble.chat.parts import Part
from bramble.chat.records import Given, Speaker, Status, Stored, Unfinished
from bramble.errors import BadRequest

DIED, LEFT, GOES_ON, DIED_AGAIN = "died", "stopping", "goes on", "died again"
"""Why the daemon's end cut a reply: it died or left in order; and that it goes on, which happens once by itself."""


def find(database: sqlite3.Connection, owner: str, ref: str) -> Stored | None:
    """The message that this owner stored under this name, if one was."""
    statement = """
        SELECT said.conversation, said.id, min(reply.id) FROM messages AS said
        JOIN messages AS reply ON reply.parent = said.id
        JOIN conversations ON conversations.id = said.conversation
        WHERE said.ref = ? AND owner = ? GROUP BY said.id
    """
    row = database.execute(statement, (ref, owner)).fetchone()
    return Stored(*row) if row else None


def say(
    database: sqlite3.Connection,
    owner: str,
    conversation: str | None,
    ref: str,
    text: str,
    role: str | None,
) -> Stored:
    """As `Store.say`."""
    if conversation is None:
        conversation = _start(database, owner, text, role)
    else:
        shelf.check(database, owner, conversation)
    return _ask(database, conversation, tree.head(database, conversation), ref, text)


def edit(
    database: sqlite3.Connection, owner: str, conversation: str, message: int, ref: str, text: str
) -> Stored:
    """As `Store.edit`."""
    shelf.check(database, owner, conversation)
    role, parent = tree.place(database, conversation, message)
    if role != "user":
        raise BadRequest("Only what a person said can be edited.", field="message")
    return _ask(database, conversation, parent, ref, text)


def regenerate(database: sqlite3.Connection, owner: str, conversation: str, message: int) -> Stored:
    """As `Store.regenerate`."""
    shelf.check(database, owner, conversation)
    role, parent = tree.place(database, conversation, message)
    if role != "assistant" or parent is None:
        raise BadRequest("Only an answer can be given anew.", field="message")
    reply = _add(database, conversation, parent, "assistant", "", "writing")
    return Stored(conversation, parent, reply)


def go_on(
    database: sqlite3.Connection, owner: str, conversation: str, message: int, model: str
) -> Stored:
    """As `Store.go_on`."""
    shelf.check(database, owner, conversation)
    role, parent = tree.place(database, conversation, message)
    text, status, followed = tree.end(database, message)
    if role != "assistant" or parent is None or status == "whole" or followed:
        hint = "Only the last one of a branch can, where it was stopped or cut."
        raise BadRequest("This answer cannot go on.", hint, field="message")
    tree.show(database, conversation, message)
    said = parts.said(database, message, text, model)
    statement = "UPDATE messages SET status = 'writing', reason = ? WHERE id = ?"
    database.execute(statement, (GOES_ON, message))
    return Stored(conversation, parent, message, text, said)


def write(
    database: sqlite3.Connection,
    message: int,
    text: str,
    status: Status,
    reason: str,
    last: Part | None,
    given: Given | None = None,
) -> None:
    """As `Store.write`."""
    if status == "whole":
        parts.clear(database, message)
    elif last is not None:
        parts.add(database, message, last)
    statement = """
        UPDATE messages SET text = ?, status = ?, reason = ?,
        since = coalesce(?, since), tokens = coalesce(?, tokens) WHERE id = ?
    """
    known = (given.since, given.tokens) if given else (None, None)
    database.execute(statement, (text, status, reason, *known, message))


def close_all(database: sqlite3.Connection) -> None:
    """What was being written when the daemon died is interrupted now, with all that was kept of it."""
    written = "SELECT id, text, reason FROM messages WHERE status = 'writing'"
    for message, before, reason in database.execute(written).fetchall():
        text = parts.text(database, message) or before
        why = DIED_AGAIN if reason == GOES_ON else DIED
        write(database, message, text, "interrupted", why, None)


def unfinished(database: sqlite3.Connection, since: float) -> list[Unfinished]:
    """As `Store.unfinished`."""
    statement = """
        SELECT owner, conversation, messages.id FROM messages
        JOIN conversations ON conversations.id = conversation
        WHERE status = 'interrupted' AND reason IN (?, ?) AND updated > ?
        AND head = messages.id ORDER BY messages.id
    """
    return [Unfinished(*row) for row in database.execute(statement, (DIED, LEFT, since))]


def _start(database: sqlite3.Connection, owner: str, text: str, role: str | None) -> str:
    conversation, now = secrets.token_urlsafe(16), time.time()
    statement = """
        INSERT INTO conversations (id, created, updated, owner, title, role)
        VALUES (?, ?, ?, ?, ?, ?)
    """
    values = (conversation, now, now, owner, shelf.heading(text), role or "")
    database.execute(statement, values)
    return conversation


def _ask(
    database: sqlite3.Connection, conversation: str, parent: int | None, ref: str, text: str
) -> Stored:
    message = _add(database, conversation, parent, "user", text, "whole", ref)
    reply = _add(database, conversation, message, "assistant", "", "writing")
    return Stored(conversation, message, reply)


def _add(
    database: sqlite3.Connection,
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
    message = database.execute(statement, values).lastrowid
    assert message is not None  # an INSERT has one
    update = "UPDATE conversations SET updated = ?, head = ? WHERE id = ?"
    database.execute(update, (now, message, conversation))
    return message
