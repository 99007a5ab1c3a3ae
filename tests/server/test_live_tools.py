"""Tools with the real model, which knows none, through the openai SDK: as Home Assistant asks, and forced."""

import json
from collections.abc import AsyncIterator

import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam

from tests.daemons import Live

LIGHT: ChatCompletionMessageParam = {"role": "user", "content": "Turn on the light in the hall."}
TOOLS: list[ChatCompletionToolParam] = [
    {
        "type": "function",
        "function": {
            "name": "turn_on",
            "description": "Turns a light on.",
            "parameters": {
                "type": "object",
                "properties": {
                    "room": {"type": "string", "enum": ["hall", "kitchen"]},
                    "percent": {"type": "integer", "minimum": 1, "maximum": 100},
                },
                "required": ["room"],
                "additionalProperties": False,
            },
        },
    },
    {"type": "function", "function": {"name": "weather"}},
]


@pytest.fixture
async def client(live: Live) -> AsyncIterator[AsyncOpenAI]:
    url = f"{live.url}/v1"
    async with AsyncOpenAI(base_url=url, api_key="any", max_retries=20) as client:
        await client.models.list()
        yield client


async def test_home_assistants_first_words(client: AsyncOpenAI) -> None:
    """It asks with tools and three tokens, whole and streamed, and reads the first delta's role."""
    whole = await client.chat.completions.create(
        model="x", messages=[LIGHT], tools=TOOLS, max_tokens=3
    )
    assert whole.choices[0].finish_reason in ("length", "stop", "tool_calls")
    stream = await client.chat.completions.create(
        model="x", messages=[LIGHT], tools=TOOLS, max_tokens=3, stream=True
    )
    chunks = [chunk async for chunk in stream]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices[0].finish_reason is not None


async def test_a_required_call_is_made(client: AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(
        model="x",
        messages=[LIGHT],
        tools=TOOLS,
        tool_choice={"type": "function", "function": {"name": "turn_on"}},
        max_tokens=100,
    )
    message = answer.choices[0].message
    assert answer.choices[0].finish_reason == "tool_calls"
    assert message.content is None
    assert message.tool_calls is not None
    (call,) = message.tool_calls
    assert call.type == "function"
    assert call.function.name == "turn_on"
    assert json.loads(call.function.arguments)["room"] in ("hall", "kitchen")


async def test_a_call_its_result_and_the_next_words(client: AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model="x",
        messages=[LIGHT],
        tools=TOOLS,
        tool_choice="required",
        max_tokens=100,
        stream=True,
    )
    calls = [
        call
        async for chunk in stream
        for call in (chunk.choices[0].delta.tool_calls or [])
        if call.function is not None
    ]
    assert len(calls) == 1
    function = calls[0].function
    assert function is not None
    assert function.name in ("turn_on", "weather")
    messages: list[ChatCompletionMessageParam] = [
        LIGHT,
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": calls[0].id or "",
                    "type": "function",
                    "function": {
                        "name": function.name or "",
                        "arguments": function.arguments or "",
                    },
                }
            ],
        },
        {"role": "tool", "content": "The light is on.", "tool_call_id": calls[0].id or ""},
    ]
    after = await client.chat.completions.create(
        model="x", messages=messages, tools=TOOLS, tool_choice="none", max_tokens=20
    )
    assert after.choices[0].message.content
