"""What the store gives out: messages, conversations in a list, places where something was found, roles."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from bramble.engine.extras import Said

Speaker = Literal["user", "assistant"]
Status = Literal["whole", "stopped", "cut", "interrupted", "writing"]


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message as it is stored; `versions` has the ids of all that stand in its place, where there are others.

    `cached` says that the answer was not computed: "cache" or "pinned". An answer was given from what was said `since`
    that message, `tokens` in all with itself (0: not known).
    """

    id: int
    role: Speaker
    text: str
    status: Status
    versions: list[int] = []
    cached: str = ""
    since: int = 0
    tokens: int = 0


class Given(msgspec.Struct, frozen=True):
    """What an answer was given from, see `Message`."""

    since: int
    tokens: int


class Stored(msgspec.Struct, frozen=True):
    """Where a person's message is, and the message that its answer is written into.

    An answer that goes on has `text` already; `said` is how the engine knows that.
    """

    conversation: str
    message: int
    reply: int
    text: str = ""
    said: Said = Said()


class Unfinished(msgspec.Struct, frozen=True):
    """An answer that broke off because the daemon ended."""

    owner: str
    conversation: str
    message: int


class Summary(msgspec.Struct, frozen=True):
    """A conversation in a list. Times are seconds since 1970; `role` is who answers, None where nobody was chosen."""

    conversation: str
    title: str
    created: float
    updated: float
    role: str | None = None


class Hit(msgspec.Struct, frozen=True):
    """A message in which something was found, with the text around the first place."""

    conversation: str
    title: str
    message: int
    role: Speaker
    before: str
    match: str
    after: str


Penalty = Annotated[float, Meta(ge=-2, le=2)]
RoleName = Annotated[str, Meta(max_length=60, pattern=r"\S")]
RolePrompt = Annotated[str, Meta(max_length=8000, pattern=r"\S")]
RoleLanguage = Annotated[str, Meta(max_length=8)]


class Settings(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How a role's answers are drawn and how long they may be; what is None is as everywhere."""

    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_k: Annotated[int, Meta(ge=0, le=(1 << 31) - 1)] | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    min_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    repeat_penalty: Annotated[float, Meta(gt=0, le=2)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    max_tokens: Annotated[int, Meta(ge=1, le=1 << 20)] | None = None


class Role(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who answers. `language` is of the prompt (en, zh, or empty); `own` ones can be changed and deleted."""

    id: str
    name: RoleName
    prompt: RolePrompt
    language: RoleLanguage = ""
    settings: Settings = Settings()
    own: bool = False
