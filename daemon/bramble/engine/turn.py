"""One message of a conversation; a part of the wire's messages."""

from typing import Literal

import msgspec

from bramble.engine.extras import ToolCall


class Turn(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message of a conversation as the chat template sees it. A tool's answer names the call that it is for."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    name: str = ""
