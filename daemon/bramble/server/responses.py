"""The body of POST /v1/responses, and the request made of it. Nothing is kept here: the client sends all of it anew."""

from collections.abc import Sequence
from itertools import groupby
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from bramble.engine.extras import Extras, Schema, Tool, ToolCall
from bramble.engine.wire import Turn
from bramble.errors import BadRequest
from bramble.scheduler import Request
from bramble.server.completion import ObjectFormat, Role, TextFormat, named, text_of
from bramble.server.offers import Function, Name, Named, Offer, forced, offered
from bramble.server.parameters import Drawing, JsonObject, Tokens, empty_object

READ = {"input_text", "output_text", "text", "refusal"}
LOGPROBS = "message.output_text.logprobs"
KEPT_NOT = "Answers are not kept here: send the whole conversation as input."


class Part(msgspec.Struct):
    """A part of a message; only texts are read."""

    type: str
    text: str = ""
    refusal: str = ""


class Item(msgspec.Struct):
    """An item of the input: a message, a call that was made, or what it returned. Reasoning is passed over."""

    type: str | None = None
    role: Role | None = None
    content: str | list[Part] | None = None
    call_id: str = ""
    name: str = ""
    arguments: str = ""
    output: str | list[Part] | None = None

    def turn(self, field: str) -> Turn | None:
        """As the model's template reads it. Raises BadRequest."""
        match self.type or "message":
            case "message" if self.role and self.content is not None:
                role = "system" if self.role == "developer" else self.role
                return Turn(role, _text(self.content, f"{field}.content"))
            case "function_call" if self.name:
                calls = (ToolCall(self.call_id, self.name, self.arguments),)
                return Turn("assistant", "", calls)
            case "function_call_output" if self.output is not None:
                return Turn("tool", _text(self.output, f"{field}.output"), (), self.call_id)
            case "reasoning":
                return None
            case "item_reference":
                raise BadRequest(KEPT_NOT, field=field)
            case "message" | "function_call" | "function_call_output":
                raise BadRequest(f"This {self.type or 'message'} is not complete.", field=field)
            case other:
                raise BadRequest(f"Items of type {other[:64]} are not read here.", field=field)


class NamedSchema(msgspec.Struct, tag_field="type", tag="json_schema"):
    """JSON of a schema."""

    schema: JsonObject
    name: str = ""
    description: str | None = None
    strict: bool | None = None


class TextOptions(msgspec.Struct):
    """What the text is to be."""

    format: TextFormat | ObjectFormat | NamedSchema | None = None


class Offered(msgspec.Struct):
    """One entry of `tools`; kinds other than functions are none of ours."""

    type: str = "function"
    name: str = ""
    description: str | None = None
    parameters: JsonObject = msgspec.field(default_factory=empty_object)

    def offer(self) -> Offer:
        """As chat completions know it."""
        if self.type != "function":
            return Offer(self.type)
        if not self.name:
            raise BadRequest("A function has no name.", field="tools")
        return Offer("function", Function(self.name, self.description, self.parameters))


class Chosen(msgspec.Struct):
    """One function, or some of those that are offered."""

    type: str = "function"
    name: str = ""
    mode: Literal["auto", "required"] = "auto"
    tools: list[Name] = []


class Response(Drawing, kw_only=True):
    """The body. What it does not name is ignored."""

    input: str | Annotated[list[Item], Meta(min_length=1)]
    instructions: str | None = None
    max_output_tokens: Tokens | None = None
    stream: bool | None = None
    tools: list[Offered] | None = None
    tool_choice: Literal["none", "auto", "required"] | Chosen | None = None
    parallel_tool_calls: bool | None = None
    text: TextOptions | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    include: list[str] | None = None
    metadata: dict[str, str] | None = None
    store: bool | None = None
    previous_response_id: str | None = None
    conversation: str | dict[str, Any] | None = None
    background: bool | None = None
    prompt: dict[str, Any] | None = None

    def prompts(self, max_tokens: int) -> list[list[Request]]:
        """The one request that this is; `max_tokens` where no length is named. Raises BadRequest."""
        self._refuse()
        length = self.max_output_tokens or max_tokens
        tools = self.offered()
        extras = Extras(
            logprobs=self.top_logprobs or 0 if self.wants_logprobs else None,
            schema=self._schema(),
            tools=tools,
            forced=self._forced(tools),
            several=self.parallel_tool_calls is not False,
        )
        return [[Request(self._turns(), length, sampling=self.sampling(), extras=extras)]]

    @property
    def wants_logprobs(self) -> bool:
        """Whether probabilities are told: where they are included, or a number of them is named."""
        return bool(self.top_logprobs) or LOGPROBS in (self.include or ())

    def offered(self) -> tuple[Tool, ...]:
        """The functions that the model is told of. Raises BadRequest."""
        choice = self.tool_choice
        tools = offered(
            [each.offer() for each in self.tools or ()], "none" if choice == "none" else None
        )
        if isinstance(choice, Chosen) and choice.type == "allowed_tools":
            names = {each.name for each in choice.tools}
            return tuple(tool for tool in tools if tool.name in names)
        return tools

    def _forced(self, tools: tuple[Tool, ...]) -> tuple[str, ...]:
        match self.tool_choice:
            case Chosen("allowed_tools", mode=mode):
                return forced(tools, mode)
            case Chosen("function", name):
                return forced(tools, Named("function", Name(name)))
            case Chosen(kind):
                raise BadRequest(f"There is no {kind[:64]} here.", field="tool_choice")
            case choice:
                return forced(tools, choice)

    def _schema(self) -> Schema | None:
        match self.text.format if self.text else None:
            case ObjectFormat(schema):
                return Schema(text_of(schema, "text.format"))
            case NamedSchema(schema, strict=strict):
                return Schema(text_of(schema, "text.format"), bool(strict))
            case _:
                return None

    def _turns(self) -> tuple[Turn, ...]:
        first = [Turn("system", self.instructions)] if self.instructions else []
        if isinstance(self.input, str):
            return (*first, Turn("user", self.input))
        turns = [each.turn(f"input[{index}]") for index, each in enumerate(self.input)]
        said = _together([turn for turn in turns if turn is not None])
        if not said:
            raise BadRequest("There is no message in the input.", field="input")
        return (*first, *named(said))

    def _refuse(self) -> None:
        for field in ("previous_response_id", "conversation"):
            if getattr(self, field) is not None:
                raise BadRequest(KEPT_NOT, f"Leave {field} out.", field=field)
        if self.background:
            raise BadRequest("Nothing is answered in the background here.", field="background")
        if self.prompt is not None:
            raise BadRequest("There are no prompts that are kept here.", field="prompt")


def _text(content: str | Sequence[Part], field: str) -> str:
    if isinstance(content, str):
        return content
    for part in content:
        if part.type not in READ:
            message = f"This model reads text; it can make nothing of {part.type[:64]}."
            raise BadRequest(message, field=field)
    return "".join(part.refusal or part.text for part in content)


def _together(turns: list[Turn]) -> list[Turn]:
    """Calls in a row, and the words before them, are one message of the assistant."""
    joined: list[Turn] = []
    for speaks, group in groupby(turns, lambda turn: turn.role == "assistant"):
        several = list(group)
        if not speaks or not any(turn.tool_calls for turn in several):
            joined += several
            continue
        text = "\n".join(turn.content for turn in several if turn.content)
        calls = tuple(call for turn in several for call in turn.tool_calls)
        joined.append(Turn("assistant", text, calls))
    return joined
