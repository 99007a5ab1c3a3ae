"""The frames of the WebSocket protocol that a client may send, one JSON object each. What it is sent is `frames`'."""

from typing import Annotated

import msgspec
from msgspec import Meta

from bramble.chat.records import RoleLanguage, RoleName, RolePrompt, Settings

FRAME_LIMIT = 256 * 1024
"""Largest accepted frame in bytes."""

Id = Annotated[str, Meta(min_length=1, max_length=64)]


class Frame(msgspec.Struct, frozen=True, tag_field="type", tag=str.lower):
    """A frame; its type is the lower-case name of its class."""


class Open(Frame, frozen=True):
    """Show me this conversation."""

    conversation: Id


class Say(Frame, frozen=True):
    """A person's message. The same `ref` again is the same message; without a conversation it starts one.

    `role` is who answers in one that starts.
    """

    ref: Id
    text: Annotated[str, Meta(max_length=100_000, pattern=r"\S")]
    conversation: Id | None = None
    role: Id | None = None


class Stop(Frame, frozen=True):
    """End this answer where it is."""

    answer: int


class Resume(Frame, frozen=True):
    """Go on with this answer after the piece that came last."""

    answer: int
    after: Annotated[int, Meta(ge=0)] = 0


class Typing(Frame, frozen=True):
    """What I have written so far; never answered. Empty: nothing any more."""

    text: Annotated[str, Meta(max_length=100_000)]
    conversation: Id | None = None
    role: Id | None = None


class Conversations(Frame, frozen=True):
    """My conversations, newest first, from behind conversation `after`; from now on I hear what changes."""

    after: Id | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50


class Search(Frame, frozen=True):
    """Where did I, or Bramble, say this?"""

    query: Annotated[str, Meta(max_length=200, pattern=r"\S")]


class Rename(Frame, frozen=True):
    """Call this conversation so."""

    conversation: Id
    title: Annotated[str, Meta(max_length=1000)]


class Delete(Frame, frozen=True):
    """Delete this conversation for good."""

    conversation: Id


class Edit(Frame, frozen=True):
    """Another version of a message of mine; what followed the other one stays on its branch."""

    ref: Id
    conversation: Id
    message: int
    text: Annotated[str, Meta(max_length=100_000, pattern=r"\S")]


class Regenerate(Frame, frozen=True):
    """Answer anew instead of this answer, which stays beside the new one."""

    conversation: Id
    message: int


class Continue(Frame, frozen=True):
    """Write on at this answer, which was stopped or cut."""

    conversation: Id
    message: int


class Select(Frame, frozen=True):
    """Show the branch that this message is in."""

    conversation: Id
    message: int


class ListRoles(Frame, frozen=True, tag="roles"):
    """Who may answer; from now on I hear when my own ones change."""


class SaveRole(Frame, frozen=True, tag="role_save"):
    """A new role of mine, or another content for one that I have (`id`)."""

    ref: Id
    name: RoleName
    prompt: RolePrompt
    id: Id | None = None
    language: RoleLanguage = ""
    settings: Settings = Settings()


class DeleteRole(Frame, frozen=True, tag="role_delete"):
    """Delete this role of mine."""

    role: Id


class GiveRole(Frame, frozen=True, tag="role"):
    """Let this role answer in this conversation from the next message on; None: nobody special."""

    conversation: Id
    role: Id | None


class Ping(Frame, frozen=True):
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
    | Continue
    | Select
    | ListRoles
    | SaveRole
    | DeleteRole
    | GiveRole
    | Ping
)
