"""The functions that a chat client offers, and how it says which of them may or must be called.

Small models make little of them, but they are no reason to refuse a request: what is not a function is passed over.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from bramble.engine.extras import Tool, ToolCall
from bramble.errors import BadRequest
from bramble.server.parameters import JsonObject, empty_object


class Function(msgspec.Struct):
    """A function; `parameters` is a JSON schema."""

    name: Annotated[str, Meta(min_length=1, max_length=256)]
    description: str | None = None
    parameters: JsonObject = msgspec.field(default_factory=empty_object)


class Offer(msgspec.Struct):
    """One entry of `tools`; kinds other than functions are none of ours."""

    type: str = "function"
    function: Function | None = None


class Name(msgspec.Struct):
    """Which function."""

    name: str


class Named(msgspec.Struct):
    """The one function that must be called."""

    type: str = "function"
    function: Name | None = None


Choice = Literal["none", "auto", "required"] | Named


class CalledFunction(msgspec.Struct):
    """What was called; arguments are JSON text, of some clients JSON itself."""

    name: str
    arguments: str | dict[str, Any] = ""


class Called(msgspec.Struct):
    """A call that the assistant made earlier."""

    function: CalledFunction
    id: str = ""

    def call(self) -> ToolCall:
        """As the engine reads it."""
        arguments = self.function.arguments
        if isinstance(arguments, dict):
            arguments = msgspec.json.encode(arguments).decode()
        return ToolCall(self.id, self.function.name, arguments)


def offered(offers: list[Offer] | None, choice: Choice | None) -> tuple[Tool, ...]:
    """The tools that the model is told of; none where none may be called."""
    if choice == "none":
        return ()
    functions = [offer.function for offer in offers or () if offer.function is not None]
    return tuple(
        Tool(each.name, each.description or "", bytes(each.parameters).decode(errors="replace"))
        for each in functions
    )


def forced(tools: tuple[Tool, ...], choice: Choice | None) -> tuple[str, ...]:
    """The names of which one must be called. Raises BadRequest where that is none of the tools."""
    names = tuple(tool.name for tool in tools)
    if choice == "required":
        if not names:
            raise BadRequest("There is no tool to call.", field="tool_choice")
        return names
    if not isinstance(choice, Named) or choice.function is None:
        return ()
    if choice.function.name not in names:
        message = f"{choice.function.name} is none of the tools."
        raise BadRequest(message, field="tool_choice")
    return (choice.function.name,)
