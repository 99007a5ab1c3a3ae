"""One line of the list of routes."""

from typing import Any

import msgspec

JSON, HTML, TEXT = "application/json", "text/html", "text/plain"
EVENTS, LINES = "text/event-stream", "application/x-ndjson"
SQLITE = "application/vnd.sqlite3"
OPENAI, OLLAMA, LLAMA = "OpenAI", "Ollama", "llama-server"
BRAMBLE, ADMIN = "Bramble", "Admin"

Kinds = dict[str, dict[str, Any]]


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One method of one route. `kinds` are the content types of an answer that is `ok`, `also` other statuses."""

    method: str
    path: str
    summary: str
    family: str
    body: Any = None
    kinds: Kinds = {}
    ok: int = 200
    also: tuple[int, ...] = ()
    query: dict[str, dict[str, Any]] = {}
