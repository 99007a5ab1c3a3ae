"""A conversation is a tree of messages; one branch of it is shown. Plain SQL, called in the store's thread."""

import sqlite3

from bramble.chat import shelf
from bramble.chat.records import Message
from bramble.errors import NotFound

BRANCH = """
    WITH RECURSIVE branch (id) AS (
        SELECT head FROM conversations WHERE id = ?1
        UNION ALL SELECT messages.parent FROM messages JOIN branch USING (id)
        WHERE messages.parent IS NOT NULL
    )
    SELECT messages.id, role, text, status, (
        SELECT group_concat(other.id) FROM messages AS other
        WHERE other.conversation = ?1 AND other.parent IS messages.parent
    ), iif(status = 'whole', reason, ''), coalesce(nullif(since, 0), (
        SELECT max(other.since) FROM messages AS other
        WHERE other.conversation = ?1 AND other.parent IS messages.parent
    )), tokens FROM messages JOIN branch USING (id) ORDER BY messages.id
"""


def branch(database: sqlite3.Connection, conversation: str) -> list[Message]:
    """The branch that is shown, oldest first. An answer that is yet to come has `since` of the one in its place."""
    return [
        Message(*row, versions=_versions(ids), cached=cached, since=since, tokens=tokens)
        for *row, ids, cached, since, tokens in database.execute(BRANCH, (conversation,))
    ]


def messages(database: sqlite3.Connection, owner: str, conversation: str) -> list[Message]:
    """The branch that is shown. Raises NotFound."""
    shelf.check(database, owner, conversation)
    return branch(database, conversation)


def select(database: sqlite3.Connection, owner: str, conversation: str, message: int) -> None:
    """Show the branch through this message. Raises NotFound."""
    shelf.check(database, owner, conversation)
    place(database, conversation, message)
    show(database, conversation, message)


def place(database: sqlite3.Connection, conversation: str, message: int) -> tuple[str, int | None]:
    """Role and parent of a message. Raises NotFound."""
    statement = "SELECT role, parent FROM messages WHERE conversation = ? AND id = ?"
    row = database.execute(statement, (conversation, message)).fetchone()
    if row is None:
        raise NotFound("There is no such message.", "Open the conversation again.")
    return row


def end(database: sqlite3.Connection, message: int) -> tuple[str, str, bool]:
    """Text and status of a message, and whether anything was said after it."""
    statement = """
        SELECT text, status, EXISTS (SELECT 1 FROM messages AS later WHERE later.parent = messages.id)
        FROM messages WHERE id = ?
    """
    text, status, followed = database.execute(statement, (message,)).fetchone()
    return text, status, bool(followed)


def head(database: sqlite3.Connection, conversation: str) -> int | None:
    """The last message of the branch that is shown."""
    statement = "SELECT head FROM conversations WHERE id = ?"
    return database.execute(statement, (conversation,)).fetchone()[0]


def show(database: sqlite3.Connection, conversation: str, message: int) -> None:
    """Show the branch through this message, down to the newest that follows it."""
    statement = "SELECT max(id) FROM messages WHERE conversation = ? AND parent = ?"
    last: int | None = message
    while last is not None:
        message = last
        (last,) = database.execute(statement, (conversation, message)).fetchone()
    database.execute("UPDATE conversations SET head = ? WHERE id = ?", (message, conversation))


def _versions(ids: str) -> list[int]:
    versions = sorted(map(int, ids.split(",")))
    return versions if len(versions) > 1 else []
