"""One line in the log for every try to sign in and all that the admin does: who, from where, what, how it ended."""

import json
import logging
from collections.abc import Generator
from contextlib import contextmanager

from aiohttp import web

from bramble.errors import BrambleError
from bramble.server.access import peer
from bramble.server.identity import identity

log = logging.getLogger("bramble.audit")


def audit(request: web.Request, action: str, outcome: str = "done", **details: str) -> None:
    """Log it as `action=… outcome=… by=… from=… key=value`; values that are no plain words are quoted as JSON does."""
    who = identity(request)
    by = who.name or (f"key {who.key}" if who.key else "nobody")
    fields = {"action": action, "outcome": outcome, "by": by, "from": peer(request), **details}
    log.info("%s", " ".join(f"{name}={_value(value)}" for name, value in fields.items()))


@contextmanager
def audited(request: web.Request, action: str, **details: str) -> Generator[None]:
    """Log what the block does, or why not."""
    try:
        yield
    except BrambleError as error:
        audit(request, action, error.code, **details)
        raise
    audit(request, action, **details)


def _value(value: object) -> str:
    text = str(value)
    plain = text.isascii() and text.isprintable() and text and not set(text) & set(' "=')
    return text if plain else json.dumps(text)
