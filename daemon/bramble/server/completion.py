"""What an OpenAI client may ask of a conversation: the body of a chat completion, and the requests made of it."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from bramble.engine.wire import Extras, Turn
from bramble.errors import BadRequest
from bramble.scheduler import Request
from bramble.server.parameters import Parameters, Tokens

Role = Literal["system", "developer", "user", "assistant", "tool"]


class TextPart(msgspec.Struct, tag_field="type", tag="text"):
    """The only kind of content that a text model reads."""

    text: str


class ChatMessage(msgspec.Struct):
    """One message; null content is an assistant that only called tools."""

    role: Role
    content: str | list[TextPart] | None = None

    def turn(self) -> Turn:
        """As the model's template reads it."""
        role = "system" if self.role == "developer" else self.role
        if isinstance(self.content, list):
            return Turn(role, "".join(part.text for part in self.content))
        return Turn(role, self.content or "")


class ChatCompletion(Parameters, kw_only=True):
    """The body of POST /v1/chat/completions."""

    messages: Annotated[list[ChatMessage], Meta(min_length=1)]
    max_completion_tokens: Tokens | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None

    def prompts(self, max_tokens: int) -> list[list[Request]]:
        """The choices for the one prompt that there is; `max_tokens` where no length is named. Raises BadRequest."""
        turns = tuple(message.turn() for message in self.messages)
        length = self.max_completion_tokens or self.max_tokens or max_tokens
        extras = self._extras()
        return [
            [
                Request(turns, length, self.stops(), sampling, extras)
                for sampling in self.samplings()
            ]
        ]

    def _extras(self) -> Extras:
        if self.top_logprobs is not None and not self.logprobs:
            raise BadRequest(
                "top_logprobs goes with logprobs.", "Add logprobs: true.", field="top_logprobs"
            )
        return Extras(logprobs=(self.top_logprobs or 0) if self.logprobs else None)
