"""What an OpenAI client may ask of a conversation: the body of a chat completion, and the requests made of it."""

from collections.abc import Iterable, Iterator
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from bramble.engine.extras import Extras, Schema
from bramble.engine.wire import Turn
from bramble.errors import BadRequest
from bramble.scheduler import Request
from bramble.server.offers import Called, Choice, Offer, forced, offered
from bramble.server.parameters import JsonObject, Parameters, Tokens, any_object
from bramble.server.replies import ChatReply

SCHEMA_LIMIT = 64 * 1024

Role = Literal["system", "developer", "user", "assistant", "tool"]


class TextPart(msgspec.Struct, tag_field="type", tag="text"):
    """The only kind of content that a text model reads."""

    text: str


class ChatMessage(msgspec.Struct):
    """One message; null content is an assistant that only called tools."""

    role: Role
    content: str | list[TextPart] | None = None
    tool_calls: list[Called] | None = None
    tool_call_id: str | None = None
    name: str | None = None

    def turn(self) -> Turn:
        """As the model's template reads it."""
        text = self.content or ""
        return Turn(
            "system" if self.role == "developer" else self.role,
            "".join(part.text for part in text) if isinstance(text, list) else text,
            tuple(called.call() for called in self.tool_calls or ()),
            self.tool_call_id or "",
            self.name or "",
        )


class NamedSchema(msgspec.Struct):
    """The schema of `response_format`; without one, any JSON object."""

    schema: JsonObject = msgspec.field(default_factory=any_object)
    strict: bool | None = None


class TextFormat(msgspec.Struct, tag_field="type", tag="text"):
    """No format at all."""


class ObjectFormat(msgspec.Struct, tag_field="type", tag="json_object"):
    """Any JSON object, or one of a schema, as llama-server takes it."""

    schema: JsonObject = msgspec.field(default_factory=any_object)


class SchemaFormat(msgspec.Struct, tag_field="type", tag="json_schema"):
    """JSON of a schema."""

    json_schema: NamedSchema


class ChatCompletion(Parameters, kw_only=True):
    """The body of POST /v1/chat/completions."""

    messages: Annotated[list[ChatMessage], Meta(min_length=1)]
    max_completion_tokens: Tokens | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    response_format: TextFormat | ObjectFormat | SchemaFormat | None = None
    tools: list[Offer] | None = None
    tool_choice: Choice | None = None
    parallel_tool_calls: bool | None = None

    def prompts(self, max_tokens: int) -> list[list[Request]]:
        """The choices for the one prompt that there is; `max_tokens` where no length is named. Raises BadRequest."""
        turns = tuple(named(message.turn() for message in self.messages))
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
        tools = offered(self.tools, self.tool_choice)
        return Extras(
            logprobs=(self.top_logprobs or 0) if self.logprobs else None,
            schema=self._schema(),
            tools=tools,
            forced=forced(tools, self.tool_choice),
            several=self.parallel_tool_calls is not False,
        )

    def reply(self, model: str) -> ChatReply:
        """The answer's shape."""
        names = frozenset(tool.name for tool in offered(self.tools, self.tool_choice))
        several = self.parallel_tool_calls is not False
        return ChatReply(model, include_usage=self.include_usage, tools=names, several=several)

    def _schema(self) -> Schema | None:
        match self.response_format:
            case ObjectFormat(schema):
                return Schema(text_of(schema, "response_format"))
            case SchemaFormat(NamedSchema(schema, strict)):
                return Schema(text_of(schema, "response_format"), bool(strict))
            case _:
                return None


def named(turns: Iterable[Turn]) -> Iterator[Turn]:
    """A tool's answer with the name of what was called, where the client leaves it to the call's number."""
    names: dict[str, str] = {}
    for turn in turns:
        names.update((call.id, call.name) for call in turn.tool_calls)
        if turn.role == "tool" and not turn.name:
            turn = msgspec.structs.replace(turn, name=names.get(turn.tool_call_id, ""))
        yield turn


def text_of(schema: msgspec.Raw, field: str) -> str:
    """A schema as it came. Raises BadRequest where it is too long."""
    data = bytes(schema)
    if len(data) > SCHEMA_LIMIT:
        message = f"The schema is longer than {SCHEMA_LIMIT} bytes."
        raise BadRequest(message, field=field)
    return data.decode(errors="replace")
