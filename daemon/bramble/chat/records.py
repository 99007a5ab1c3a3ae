"""What the store gives out: messages, conversations in a list, places where something was found."""

from typing import Literal

import msgspec

Role = Literal["user", "assistant"]
Status = Literal["whole", "stopped", "cut", "interrupted", "writing"]


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message as it is stored; `versions` has the ids of all that stand in its place, where there are others."""

    id: int
    role: Role
    text: str
    status: Status
    versions: list[int] = []


class Stored(msgspec.Struct, frozen=True):
    """Where a person's message is, and the message that its answer is written into."""

    conversation: str
    message: int
    reply: int


class Summary(msgspec.Struct, frozen=True):
    """A conversation in a list. Times are seconds since 1970."""

    conversation: str
    title: str
    created: float
    updated: float


class Hit(msgspec.Struct, frozen=True):
    """A message in which something was found, with the text around the first place."""

    conversation: str
    title: str
    message: int
    role: Role
    before: str
    match: str
    after: str
