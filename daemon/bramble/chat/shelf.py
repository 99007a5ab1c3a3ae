"""All conversations of one owner: the list, the search, names, the end. Plain SQL, called in the store's thread."""

import sqlite3

from bramble.chat.records import Hit, Summary
from bramble.errors import BadRequest, NotFound

TITLE_LENGTH = 60
AROUND = 40
"""Characters shown before and after what was found."""
FOUND_MOST = 50
TRIGRAM = 3
"""The index knows nothing shorter; what is, like most Chinese words, is looked for in the texts themselves."""

LISTED = "SELECT id, title, created, updated, nullif(role, '') FROM conversations"
LATEST = "(SELECT coalesce(max(id), 0) FROM messages WHERE conversation = conversations.id)"
"""What the list is ordered by: a board without a battery has a clock that jumps by years, numbers only grow."""


def unknown() -> NotFound:
    """No such conversation, or not yours: nobody is told which."""
    return NotFound("There is no such conversation.", "Start a new chat.")


def check(database: sqlite3.Connection, owner: str, conversation: str) -> None:
    """Raise NotFound where it is not this owner's. One from before there were owners is its first visitor's."""
    adopt = "UPDATE conversations SET owner = ? WHERE id = ? AND owner = ''"
    look = "SELECT owner FROM conversations WHERE id = ?"
    row = database.execute(look, (conversation,)).fetchone()
    if row is not None and row[0] == "":
        database.execute(adopt, (owner, conversation))
    elif row is None or row[0] != owner:
        raise unknown()


def page(database: sqlite3.Connection, owner: str, after: str | None, limit: int) -> list[Summary]:
    """The newest first, from behind conversation `after`. Raises NotFound where that is gone."""
    latest: float = float("inf")
    if after is not None:
        summary(database, owner, after)
        (latest,) = database.execute(
            f"SELECT {LATEST} FROM conversations WHERE id = ?", (after,)
        ).fetchone()
    statement = f"{LISTED} WHERE owner = ? AND {LATEST} < ? ORDER BY {LATEST} DESC, id LIMIT ?"
    return [Summary(*row) for row in database.execute(statement, (owner, latest, limit))]


def names(database: sqlite3.Connection) -> list[str]:
    """Every conversation there is."""
    return [id for (id,) in database.execute("SELECT id FROM conversations")]


def summary(database: sqlite3.Connection, owner: str, conversation: str) -> Summary:
    """One line of the list. Raises NotFound."""
    statement = f"{LISTED} WHERE owner = ? AND id = ?"
    row = database.execute(statement, (owner, conversation)).fetchone()
    if row is None:
        raise unknown()
    return Summary(*row)


def search(database: sqlite3.Connection, owner: str, query: str) -> list[Hit]:
    """Messages with these characters in a row, whatever their case; the newest first, at most FOUND_MOST."""
    query = query.strip()
    among = "messages.id IN (SELECT rowid FROM found WHERE found MATCH ?)"
    if not (grams := _trigrams(query)):
        among = "? = ''"
    statement = f"""
        SELECT conversations.id, title, messages.id, messages.role, text
        FROM messages JOIN conversations ON conversations.id = conversation
        WHERE owner = ? AND status <> 'writing' AND {among} AND holds(text, ?)
        ORDER BY messages.id DESC LIMIT ?
    """
    database.create_function("holds", 2, _holds, deterministic=True)
    rows = database.execute(statement, (owner, grams, query, FOUND_MOST))
    return [
        Hit(id, title, message, role, *_around(text, query))
        for id, title, message, role, text in rows
    ]


def rename(database: sqlite3.Connection, owner: str, conversation: str, title: str) -> None:
    """Raises NotFound; BadRequest where nothing is left of the title."""
    if not (short := heading(title)):
        raise BadRequest("A title needs at least one character.")
    check(database, owner, conversation)
    database.execute("UPDATE conversations SET title = ? WHERE id = ?", (short, conversation))


def delete(database: sqlite3.Connection, owner: str, conversation: str) -> None:
    """Its bytes are gone from the file, which is smaller then, the index and the log. Raises NotFound."""
    check(database, owner, conversation)
    database.execute("DELETE FROM conversations WHERE id = ?", (conversation,))
    # The index only notes that something is gone until its parts are merged, and the log holds old pages.
    database.execute("INSERT INTO found (found) VALUES ('optimize')")
    # As a script: `execute` takes one step of a statement that has no columns, and each step frees one page.
    database.executescript("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE)")


def heading(text: str) -> str:
    """The title that a text gives: its first words, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= TITLE_LENGTH else line[: TITLE_LENGTH - 1].rstrip() + "…"


def _trigrams(query: str) -> str:
    """What the index is asked: all three letters in a row that the query has. It knows where none of them is."""
    grams = {query[start : start + TRIGRAM] for start in range(len(query) - TRIGRAM + 1)}
    return " AND ".join('"{}"'.format(gram.replace('"', '""')) for gram in sorted(grams))


def _holds(text: str, query: str) -> bool:
    return query.lower() in text.lower()


def _around(text: str, query: str) -> tuple[str, str, str]:
    """Text before, the place itself, text after."""
    start = max(text.lower().find(query.lower()), 0)
    end = start + len(query)
    return text[max(start - AROUND, 0) : start], text[start:end], text[end : end + AROUND]
