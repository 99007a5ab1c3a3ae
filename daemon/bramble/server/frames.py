"""The frames of the WebSocket protocol, version 1: what a client may send, what it is sent, one JSON object each."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from bramble.chat.records import Hit, Message, Summary

PROTOCOL = 1
FRAME_LIMIT = 256 * 1024
"""Largest accepted frame in bytes."""

Id = Annotated[str, Meta(min_length=1, max_length=64)]


class _Frame(msgspec.Struct, frozen=True, tag_field="type", tag=str.lower):
    """A frame; its type is the lower-case name of its class."""


# ── client → server ──────────────────────────────────────────────────────────────────────────────


class Open(_Frame, frozen=True):
    """Show me this conversation."""

    conversation: Id


class Say(_Frame, frozen=True):
    """A person's message. The same `ref` again is the same message; without a conversation it starts one."""

    ref: Id
    text: Annotated[str, Meta(max_length=100_000, pattern=r"\S")]
    conversation: Id | None = None


class Stop(_Frame, frozen=True):
    """End this answer where it is."""

    answer: int


class Resume(_Frame, frozen=True):
    """Go on with this answer after the piece that came last."""

    answer: int
    after: Annotated[int, Meta(ge=0)] = 0


class Typing(_Frame, frozen=True):
    """What I have written so far; never answered. Empty: nothing any more."""

    text: Annotated[str, Meta(max_length=100_000)]
    conversation: Id | None = None


class Conversations(_Frame, frozen=True):
    """My conversations, newest first, from behind conversation `after`; from now on I hear what changes."""

    after: Id | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50


class Search(_Frame, frozen=True):
    """Where did I, or Bramble, say this?"""

    query: Annotated[str, Meta(max_length=200, pattern=r"\S")]


class Rename(_Frame, frozen=True):
    """Call this conversation so."""

    conversation: Id
    title: Annotated[str, Meta(max_length=1000)]


class Delete(_Frame, frozen=True):
    """Delete this conversation for good."""

    conversation: Id


class Edit(_Frame, frozen=True):
    """Another version of a message of mine; what followed the other one stays on its branch."""

    ref: Id
    conversation: Id
    message: int
    text: Annotated[str, Meta(max_length=100_000, pattern=r"\S")]


class Regenerate(_Frame, frozen=True):
    """Answer anew instead of this answer, which stays beside the new one."""

    conversation: Id
    message: int


class Select(_Frame, frozen=True):
    """Show the branch that this message is in."""

    conversation: Id
    message: int


class Ping(_Frame, frozen=True):
    """Is anybody there?"""


FromClient = (
    Open
    | Say
    | Stop
    | Resume
    | Typing
    | Conversations
    | Search
    | Rename
    | Delete
    | Edit
    | Regenerate
    | Select
    | Ping
)


# ── server → client ──────────────────────────────────────────────────────────────────────────────


class Hello(_Frame, frozen=True):
    """The first frame."""

    protocol: int
    version: str


class Guard(msgspec.Struct, frozen=True):
    """What the board has to do without and why: `code` and `params` for a translator, `sentence` in English."""

    level: int
    code: str
    params: dict[str, int | str]
    sentence: str


class State(_Frame, frozen=True):
    """What the engine is doing, and for how many. Without a `guard` the board is well."""

    phase: str
    fraction: float
    reason: str
    hint: str
    model: str | None
    context: int
    running: int
    waiting: int
    slots: int
    guard: Guard | None = None


class Conversation(_Frame, frozen=True):
    """A conversation as far as it is; `answer` runs and is told from its first piece."""

    conversation: str
    messages: list[Message]
    answer: int | None


class Said(_Frame, frozen=True):
    """The message is on disk. `answer` is None where it was over long ago."""

    ref: str
    conversation: str
    message: int
    answer: int | None


class Queued(_Frame, frozen=True):
    """Place in the queue, 1 is next; `eta` in seconds."""

    answer: int
    position: int
    eta: float | None


class Started(_Frame, frozen=True):
    """The prompt is being read."""

    answer: int
    prompt_tokens: int
    cached_tokens: int


class Progress(_Frame, frozen=True):
    """How many tokens of the prompt are read."""

    answer: int
    done: int
    total: int


class Piece(_Frame, frozen=True):
    """The next characters; with them everything up to piece `n` is told."""

    answer: int
    n: int
    text: str


class Paused(_Frame, frozen=True):
    """The engine was lost and is started again; the answer goes on with its next piece."""

    answer: int
    message: str


class Usage(msgspec.Struct, frozen=True):
    """Lengths in tokens."""

    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int


class Timings(msgspec.Struct, frozen=True):
    """Times in milliseconds, the rate in tokens a second where it can be told."""

    first_token_ms: float
    decode_ms: float
    tokens_per_second: float | None


class Done(_Frame, frozen=True):
    """An answer is over; `message` is where it is stored, `trimmed` how many old messages the model did not see."""

    answer: int
    message: int
    n: int
    reason: Literal["stop", "length", "stopped", "error"]
    usage: Usage | None
    timings: Timings | None
    trimmed: int


class Error(_Frame, frozen=True, kw_only=True):
    """Something did not work: `ref` or `answer` say what. `retry_after` in seconds."""

    code: str
    message: str
    hint: str = ""
    ref: str | None = None
    answer: int | None = None
    retry_after: float | None = None
    params: dict[str, int] = {}


class Listed(_Frame, frozen=True):
    """A part of the list; `more` is the next `after`, None at the end."""

    conversations: list[Summary]
    more: str | None


class Found(_Frame, frozen=True):
    """Where a query was found, newest first."""

    query: str
    hits: list[Hit]


class Changed(_Frame, frozen=True):
    """A conversation is new, has another title or more messages."""

    conversation: Summary


class Deleted(_Frame, frozen=True):
    """A conversation is gone."""

    conversation: str


class Pong(_Frame, frozen=True):
    """Yes."""


ToClient = (
    Hello
    | State
    | Conversation
    | Said
    | Queued
    | Started
    | Progress
    | Piece
    | Paused
    | Done
    | Error
    | Listed
    | Found
    | Changed
    | Deleted
    | Pong
)
