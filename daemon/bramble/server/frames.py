"""The frames of the WebSocket protocol, version 1, that a client is sent, one JSON object each."""

from typing import Literal

import msgspec

from bramble.chat.answer import Recalled
from bramble.chat.records import Hit, Message, Role, Summary
from bramble.server.incoming import Frame
from bramble.takeover import Coming

PROTOCOL = 1


class Hello(Frame, frozen=True):
    """The first frame."""

    protocol: int
    version: str


class Guard(msgspec.Struct, frozen=True):
    """What the board has to do without and why: `code` and `params` for a translator, `sentence` in English."""

    level: int
    code: str
    params: dict[str, int | str]
    sentence: str


class StoreNotice(msgspec.Struct, frozen=True):
    """What happened to the stored conversations: `code` and `params` for a translator, `sentence` in English."""

    code: str
    params: dict[str, int | str]
    sentence: str


class State(Frame, frozen=True):
    """What the engine is doing, and for how many. Without a `guard` the board is well; `coming` will answer next.

    `store` says what happened to the stored conversations.
    `notes` say what the model does without since it was loaded, one English sentence each.
    """

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
    coming: Coming | None = None
    store: StoreNotice | None = None
    notes: tuple[str, ...] = ()


class Conversation(Frame, frozen=True):
    """A conversation as far as it is; `answer` runs and is told from its first piece. `role` answers in it."""

    conversation: str
    messages: list[Message]
    answer: int | None
    role: str | None


class Said(Frame, frozen=True):
    """The message is on disk. `answer` is None where it was over long ago."""

    ref: str
    conversation: str
    message: int
    answer: int | None


class Queued(Frame, frozen=True):
    """Place in the queue, 1 is next; `eta` in seconds."""

    answer: int
    position: int
    eta: float | None


class Started(Frame, frozen=True):
    """The prompt is being read."""

    answer: int
    prompt_tokens: int
    cached_tokens: int


class Progress(Frame, frozen=True):
    """How many tokens of the prompt are read."""

    answer: int
    done: int
    total: int


class Piece(Frame, frozen=True):
    """The next characters; with them everything up to piece `n` is told."""

    answer: int
    n: int
    text: str


class Paused(Frame, frozen=True):
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


class Done(Frame, frozen=True):
    """An answer is over; `message` is where it is stored, `trimmed` how many old messages the model did not see.

    `cached` says that it was not computed now: it was given before, or is pinned.
    """

    answer: int
    message: int
    n: int
    reason: Literal["stop", "length", "stopped", "error"]
    usage: Usage | None
    timings: Timings | None
    trimmed: int
    cached: Recalled | None


class Error(Frame, frozen=True, kw_only=True):
    """Something did not work: `ref` or `answer` say what. `retry_after` in seconds."""

    code: str
    message: str
    hint: str = ""
    ref: str | None = None
    answer: int | None = None
    retry_after: float | None = None
    params: dict[str, int] = msgspec.field(default_factory=dict[str, int])


class Listed(Frame, frozen=True):
    """A part of the list; `more` is the next `after`, None at the end."""

    conversations: list[Summary]
    more: str | None


class Found(Frame, frozen=True):
    """Where a query was found, newest first."""

    query: str
    hits: list[Hit]


class Changed(Frame, frozen=True):
    """A conversation is new, has another title or more messages."""

    conversation: Summary


class Deleted(Frame, frozen=True):
    """A conversation is gone."""

    conversation: str


class Roles(Frame, frozen=True):
    """Who may answer: the shipped roles, then the owner's own."""

    roles: list[Role]


class RoleSaved(Frame, frozen=True, tag="role_saved"):
    """A role as it is stored; a new one has its id now."""

    ref: str
    role: Role


class RoleDeleted(Frame, frozen=True, tag="role_deleted"):
    """A role is gone."""

    role: str


class Pong(Frame, frozen=True):
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
    | Roles
    | RoleSaved
    | RoleDeleted
    | Pong
)
