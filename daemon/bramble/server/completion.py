"""What an OpenAI client may ask: the body of a chat completion, and the request that is made of it."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from bramble.engine.wire import Sampling, Turn
from bramble.errors import BadRequest
from bramble.scheduler import Request

Role = Literal["system", "developer", "user", "assistant", "tool"]
Tokens = Annotated[int, Meta(ge=1, le=1 << 31)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]
Part = Annotated[float, Meta(ge=0, le=1)]


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


class StreamOptions(msgspec.Struct):
    """What else a stream shall tell."""

    include_usage: bool | None = None


class ChatCompletion(msgspec.Struct):
    """The body of POST /v1/chat/completions. What it does not name is ignored; null counts as not there."""

    messages: Annotated[list[ChatMessage], Meta(min_length=1)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_completion_tokens: Tokens | None = None
    max_tokens: Tokens | None = None
    stop: str | Annotated[list[str], Meta(max_length=4)] | None = None
    seed: Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=0, le=(1 << 31) - 1)] | None = None
    min_p: Part | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    n: int | None = None

    @property
    def include_usage(self) -> bool:
        """Whether a stream ends with the usage."""
        return bool(self.stream_options and self.stream_options.include_usage)

    def request(self, max_tokens: int) -> Request:
        """What is asked of the engine; `max_tokens` where the client names no length. Raises BadRequest."""
        if self.n not in (None, 1):
            raise BadRequest("One answer a request is all there is.", "Leave n out.", field="n")
        stop = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return Request(
            turns=tuple(message.turn() for message in self.messages),
            max_tokens=self.max_completion_tokens or self.max_tokens or max_tokens,
            stop=tuple(text for text in stop if text),
            sampling=self._sampling(),
        )

    def _sampling(self) -> Sampling:
        named = {name: getattr(self, name, None) for name in Sampling.__struct_fields__}
        return Sampling(**{name: value for name, value in named.items() if value is not None})
