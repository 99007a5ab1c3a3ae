"""/v1/responses: what it takes, its events in their order, and what is said of all that is not kept here."""

import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from openai import AsyncOpenAI, BadRequestError
from openai.types.responses import FunctionToolParam

from bramble.engine.extras import ToolCall
from bramble.engine.wire import Turn
from bramble.server.responses import Response
from tests.conftest import Start
from tests.daemons import Live, Running

Json = dict[str, Any]
TOOL: FunctionToolParam = {
    "type": "function",
    "name": "turn_on",
    "description": "Turns a light on.",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"room": {"type": "string", "enum": ["hall", "kitchen"]}},
        "required": ["room"],
        "additionalProperties": False,
    },
}


@pytest.fixture
async def client(live: Live) -> AsyncIterator[AsyncOpenAI]:
    url = f"{live.url}/v1"
    async with AsyncOpenAI(base_url=url, api_key="any", max_retries=20) as client:
        await client.models.list()
        yield client


async def post(daemon: Running, body: Json) -> tuple[int, Json]:
    async with daemon.http.post(f"{daemon.url}/v1/responses", json=body) as response:
        return response.status, await response.json()


async def events(daemon: Running, body: Json) -> list[Json]:
    """Every event of a stream; its name stands in both places."""
    told: list[Json] = []
    name = ""
    url = f"{daemon.url}/v1/responses"
    async with daemon.http.post(url, json={**body, "stream": True}) as response:
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        async for line in response.content:
            if line.startswith(b"event: "):
                name = line[7:].strip().decode()
            elif line.startswith(b"data: "):
                told.append(json.loads(line[6:]))
                assert told[-1]["type"] == name
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    return told


async def test_a_response_in_one_piece(daemon: Running) -> None:
    status, answer = await post(daemon, {"input": "say 3", "metadata": {"a": "b"}})
    assert status == 200
    assert answer["object"] == "response"
    assert answer["status"] == "completed"
    assert answer["store"] is False
    assert answer["metadata"] == {"a": "b"}
    (item,) = answer["output"]
    assert item["role"] == "assistant"
    assert item["content"][0]["text"] == "0字 1字 2字 "
    assert answer["usage"]["input_tokens"] == 100
    assert answer["usage"]["output_tokens"] == 3


async def test_a_stream_tells_all_events_in_order(daemon: Running) -> None:
    told = await events(daemon, {"input": "say 2"})
    kinds = [event["type"] for event in told]
    deltas = kinds.count("response.output_text.delta")
    assert deltas >= 1
    assert kinds == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        *["response.output_text.delta"] * deltas,
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    text = "".join(event["delta"] for event in told if event["type"].endswith("text.delta"))
    assert text == told[-1]["response"]["output"][0]["content"][0]["text"] == "0字 1字 "
    assert len({event["item_id"] for event in told if "item_id" in event}) == 1


async def test_a_length_leaves_it_incomplete(daemon: Running) -> None:
    _, answer = await post(daemon, {"input": "say 9", "max_output_tokens": 2})
    assert answer["status"] == "incomplete"
    assert answer["incomplete_details"] == {"reason": "max_output_tokens"}
    assert answer["output"][0]["status"] == "incomplete"
    told = await events(daemon, {"input": "say 9", "max_output_tokens": 2})
    assert told[-1]["type"] == "response.incomplete"


async def test_an_answer_that_breaks_off_ends_with_failed(
    daemon: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bramble.engine.supervisor.BACK_OFF", (0.0,))
    told = await events(daemon, {"input": "die 3"})
    assert told[-1]["type"] == "response.failed"
    assert told[-1]["response"]["error"]["code"] == "server_error"
    assert told[-1]["response"]["output"][0]["content"][0]["text"]


async def test_a_call_is_an_item_of_its_own(daemon: Running) -> None:
    call = '{"name": "turn_on", "arguments": {"room": "hall"}}'
    said = f"repeat 5 Sure! <tool_call>{call}</tool_call>"
    told = await events(daemon, {"input": said, "tools": [TOOL]})
    items = told[-1]["response"]["output"]
    assert [item["type"] for item in items] == ["message", "function_call"]
    assert items[0]["content"][0]["text"] == "Sure!"
    assert items[1]["name"] == "turn_on"
    assert json.loads(items[1]["arguments"]) == {"room": "hall"}
    kinds = [event["type"] for event in told if event.get("output_index") == 1]
    assert kinds == [
        "response.output_item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
    ]
    _, whole = await post(daemon, {"input": said, "tools": [TOOL]})
    assert [item["type"] for item in whole["output"]] == ["message", "function_call"]


def test_every_item_becomes_a_turn() -> None:
    body: Json = {
        "instructions": "Be kind.",
        "input": [
            {"role": "developer", "content": "Be brief."},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
            {"type": "reasoning", "id": "r", "summary": []},
            {"role": "assistant", "content": [{"type": "output_text", "text": "One moment."}]},
            {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
            {"type": "function_call", "call_id": "2", "name": "g", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "2", "output": "yes"},
        ],
    }
    (request,) = msgspec.convert(body, Response).prompts(7)[0]
    assert request.max_tokens == 7
    assert request.turns == (
        Turn("system", "Be kind."),
        Turn("system", "Be brief."),
        Turn("user", "Hi"),
        Turn("assistant", "One moment.", (ToolCall("1", "f", "{}"), ToolCall("2", "g", "{}"))),
        Turn("tool", "yes", (), "2", "g"),
    )


WRONG: dict[str, tuple[Json, str | None]] = {
    "no input": ({}, None),
    "nothing in it": ({"input": []}, "input"),
    "only reasoning": ({"input": [{"type": "reasoning"}]}, "input"),
    "a message without a role": ({"input": [{"content": "Hi"}]}, "input[0]"),
    "an image": (
        {"input": [{"role": "user", "content": [{"type": "input_image"}]}]},
        "input[0].content",
    ),
    "a reference": ({"input": [{"type": "item_reference", "id": "m"}]}, "input[0]"),
    "an item of another kind": ({"input": [{"type": "computer_call"}]}, "input[0]"),
    "an earlier answer": ({"input": "Hi", "previous_response_id": "x"}, "previous_response_id"),
    "a conversation": ({"input": "Hi", "conversation": "x"}, "conversation"),
    "the background": ({"input": "Hi", "background": True}, "background"),
    "a kept prompt": ({"input": "Hi", "prompt": {"id": "x"}}, "prompt"),
    "no tokens": ({"input": "Hi", "max_output_tokens": 0}, "max_output_tokens"),
    "hot": ({"input": "Hi", "temperature": 3}, "temperature"),
    "a tool without a name": ({"input": "Hi", "tools": [{"type": "function"}]}, "tools"),
    "a tool that is none": (
        {"input": "Hi", "tool_choice": {"type": "function", "name": "f"}},
        "tool_choice",
    ),
    "a hosted tool": ({"input": "Hi", "tool_choice": {"type": "web_search"}}, "tool_choice"),
    "a format": ({"input": "Hi", "text": {"format": {"type": "yaml"}}}, "text.format.type"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_a_wrong_body_names_what_is_wrong(daemon: Running, name: str) -> None:
    body, param = WRONG[name]
    status, answer = await post(daemon, body)
    assert status == 400
    assert answer["error"]["param"] == param
    assert answer["error"]["message"]


async def test_what_is_no_function_is_passed_over(daemon: Running) -> None:
    _, answer = await post(daemon, {"input": "say 1", "tools": [{"type": "web_search"}, TOOL]})
    assert [tool["name"] for tool in answer["tools"]] == ["turn_on"]


async def test_a_prompt_that_does_not_fit_has_its_code(start: Start) -> None:
    async with start(engine=["--refuse-above", "1"]) as daemon:
        body = {"input": [{"role": "user", "content": "say 1"}] * 2, "stream": True}
        status, answer = await post(daemon, body)
        assert status == 400
        assert answer["error"]["code"] == "context_length_exceeded"


# ── the SDK with the real model ──────────────────────────────────────────────────────────────────


async def test_the_sdk_reads_an_answer_and_its_events(client: AsyncOpenAI) -> None:
    whole = await client.responses.create(
        model="x", input="Say hello.", max_output_tokens=190, temperature=0
    )
    assert whole.output_text
    assert whole.status == "completed"
    async with client.responses.stream(
        model="x", input="Say hello.", max_output_tokens=190, temperature=0
    ) as stream:
        told = [event async for event in stream]
        final = await stream.get_final_response()
    assert told[0].type == "response.created"
    deltas = [event.delta for event in told if event.type == "response.output_text.delta"]
    assert len(deltas) > 1
    assert final.output_text == "".join(deltas)


async def test_the_sdk_gets_a_call_and_hands_its_result_in(client: AsyncOpenAI) -> None:
    first = await client.responses.create(
        model="x", input="Light in the hall!", tools=[TOOL], tool_choice="required"
    )
    (call,) = first.output
    assert call.type == "function_call"
    assert json.loads(call.arguments)["room"] in ("hall", "kitchen")
    after = await client.responses.create(
        model="x",
        input=[
            {"role": "user", "content": "Light in the hall!"},
            {
                "type": "function_call",
                "call_id": call.call_id,
                "name": call.name,
                "arguments": call.arguments,
            },
            {"type": "function_call_output", "call_id": call.call_id, "output": "It is on."},
        ],
        max_output_tokens=12,
    )
    assert after.output_text


async def test_the_sdk_gets_json_of_a_schema(client: AsyncOpenAI) -> None:
    schema: dict[str, object] = {
        "type": "object",
        "properties": {"n": {"type": "integer", "minimum": 1, "maximum": 9}},
        "required": ["n"],
        "additionalProperties": False,
    }
    answer = await client.responses.create(
        model="x",
        input="A number?",
        text={"format": {"type": "json_schema", "name": "n", "schema": schema, "strict": True}},
        include=["message.output_text.logprobs"],
        top_logprobs=2,
    )
    assert 1 <= json.loads(answer.output_text)["n"] <= 9
    assert answer.output[0].type == "message"
    part = answer.output[0].content[0]
    assert part.type == "output_text"
    assert part.logprobs
    assert "".join(one.token for one in part.logprobs) == answer.output_text


async def test_the_sdk_reads_why_not(client: AsyncOpenAI) -> None:
    with pytest.raises(BadRequestError, match="not kept here"):
        await client.responses.create(model="x", input="Hi", previous_response_id="resp_1")
