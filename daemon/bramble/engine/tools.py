"""Functions that a model may call: how they are shown to its template, told to one that knows none, and enforced.

Who reads the calls out of an answer is the daemon; what a model that knows tools writes is its template's business.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bramble.engine.extras import Tool, ToolCall
from bramble.engine.wire import Turn

Json = dict[str, Any]

NO_PARAMETERS: Json = {"type": "object", "properties": {}, "additionalProperties": False}
HOW = (
    "You can call functions. To call one, answer with nothing but JSON like this:\n"
    '{"name": "the function", "arguments": {"its parameter": "a value"}}\n'
    "Call one only if it helps; otherwise answer in words. The functions are:\n"
)


@dataclass(frozen=True)
class CallForm:
    """How a model writes a call: in Hermes' tags or bare, and what it names the arguments."""

    tagged: bool = False
    key: str = "arguments"


def form_of(source: str) -> CallForm:
    """The form that a template which knows tools asks for."""
    llama3 = '"parameters": dictionary' in source
    return CallForm("<tool_call>" in source, "parameters" if llama3 else "arguments")


def shown(tools: Sequence[Tool]) -> list[Json]:
    """As templates expect it: the shape of OpenAI's API."""
    return [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": parameters(tool),
            },
        }
        for tool in tools
    ]


def parameters(tool: Tool) -> Any:
    """The schema of a tool's arguments; one that cannot be read is none."""
    try:
        return json.loads(tool.parameters) or NO_PARAMETERS
    except (ValueError, RecursionError):
        return NO_PARAMETERS


def native(turns: Sequence[Turn]) -> list[Json]:
    """Messages for a template that knows tools."""
    messages: list[Json] = []
    for turn in turns:
        message: Json = {"role": turn.role, "content": turn.content}
        if turn.tool_calls:
            message["tool_calls"] = [_called(call) for call in turn.tool_calls]
        if turn.tool_call_id:
            message["tool_call_id"] = turn.tool_call_id
        if turn.name:
            message["name"] = turn.name
        messages.append(message)
    return messages


def plain(turns: Sequence[Turn], tools: Sequence[Tool] = ()) -> list[Json]:
    """Messages for a template that knows none: calls as the assistant wrote them, results as the user's words."""
    messages: list[Json] = []
    for turn in turns:
        role, text = turn.role, turn.content
        if turn.tool_calls:
            lines = [_written(call) for call in turn.tool_calls]
            text = "\n".join([text, *lines] if text else lines)
        if role == "tool":
            role, text = "user", f"Result of {turn.name or 'the function'}: {text}"
        if role == "user" and turn.role == "tool" and messages and messages[-1].get("result"):
            messages[-1]["content"] += f"\n{text}"
        else:
            messages.append({"role": role, "content": text, "result": turn.role == "tool"})
    told = [{"role": m["role"], "content": m["content"]} for m in messages]
    return _with_system(told, _description(tools)) if tools else told


def _description(tools: Sequence[Tool]) -> str:
    functions = (entry["function"] for entry in shown(tools))
    return HOW + "\n".join(json.dumps(each, ensure_ascii=False) for each in functions)


def _with_system(messages: list[Json], text: str) -> list[Json]:
    if messages and messages[0]["role"] == "system":
        first = messages[0]["content"]
        return [{"role": "system", "content": f"{first}\n\n{text}".lstrip()}, *messages[1:]]
    return [{"role": "system", "content": text}, *messages]


def _arguments(call: ToolCall) -> Any:
    """As an object, which is what templates write out; text that is no JSON stays text."""
    try:
        return json.loads(call.arguments or "{}")
    except (ValueError, RecursionError):
        return call.arguments


def _called(call: ToolCall) -> Json:
    function = {"name": call.name, "arguments": _arguments(call)}
    return {"id": call.id, "type": "function", "function": function}


def _written(call: ToolCall) -> str:
    body = {"name": call.name, "arguments": _arguments(call)}
    return json.dumps(body, ensure_ascii=False)
