"""An answer part by part, from its first words until it is whole: text, and the tokens that it was drawn as.

With the tokens an answer that was cut goes on without a seam. Plain SQL, called in the store's thread.
"""

import sqlite3

import msgspec

from bramble.engine.extras import Said

_encode = msgspec.msgpack.encode
_tokens = msgspec.msgpack.Decoder(list[int])


class Part(msgspec.Struct, frozen=True):
    """What was written since the part before, by which model; only that one's vocabulary reads the tokens."""

    text: str
    tokens: tuple[int, ...]
    model: str


def add(database: sqlite3.Connection, message: int, part: Part) -> None:
    """Put it behind what there is of this message."""
    _add(database, message, part.text, _encode(part.tokens), part.model)


def clear(database: sqlite3.Connection, message: int) -> None:
    """The message is whole, or what is known of its parts is not true."""
    database.execute("DELETE FROM parts WHERE id BETWEEN ? AND ?", _numbers(message))


def text(database: sqlite3.Connection, message: int) -> str:
    """All parts together."""
    return "".join(text for text, *_ in _all(database, message))


def said(database: sqlite3.Connection, message: int, shown: str, model: str) -> Said:
    """How this model goes on after the text that was `shown`; tokens it does not know are kept as text from now on."""
    parts = _all(database, message)
    if "".join(part[0] for part in parts) == shown and all(
        tokens is None or drawn_by == model for _, tokens, drawn_by in parts
    ):
        return _known(parts)
    clear(database, message)
    if shown:
        _add(database, message, shown, None, model)
    return Said(shown)


def _known(parts: list[tuple[str, bytes | None, str]]) -> Said:
    """Only the first part can be text alone."""
    before = "".join(text for text, tokens, _ in parts if tokens is None)
    drawn = [(text, _tokens.decode(tokens)) for text, tokens, _ in parts if tokens is not None]
    tokens = tuple(token for _, some in drawn for token in some)
    return Said(before, tokens, sum(len(text) for text, _ in drawn))


def _all(database: sqlite3.Connection, message: int) -> list[tuple[str, bytes | None, str]]:
    statement = "SELECT text, tokens, model FROM parts WHERE id BETWEEN ? AND ? ORDER BY id"
    return database.execute(statement, _numbers(message)).fetchall()


def _add(
    database: sqlite3.Connection, message: int, text: str, tokens: bytes | None, model: str
) -> None:
    first, last = _numbers(message)
    newest = "SELECT coalesce(max(id) + 1, ?1) FROM parts WHERE id BETWEEN ?1 AND ?2"
    (number,) = database.execute(newest, (first, last)).fetchone()
    statement = "INSERT INTO parts (id, text, tokens, model) VALUES (?, ?, ?, ?)"
    database.execute(statement, (number, text, tokens, model))


def _numbers(message: int) -> tuple[int, int]:
    """The first and last number of a message's parts. At one in ten seconds the last is a week away."""
    return message << 16, (message << 16) + 65535
