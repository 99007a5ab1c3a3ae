"""Several choices, raw prompts, and what stands in their streams, with the fake engine."""

import json
from typing import Any

import pytest

from tests.conftest import Start
from tests.daemons import Running

Json = dict[str, Any]


async def post(daemon: Running, path: str, data: Json) -> tuple[int, Json]:
    async with daemon.http.post(f"{daemon.url}/v1/{path}", json=data) as response:
        return response.status, await response.json()


async def chunks(daemon: Running, path: str, data: Json) -> list[Json]:
    """Every chunk of a stream; the end is checked."""
    async with daemon.http.post(f"{daemon.url}/v1/{path}", json={**data, "stream": True}) as answer:
        assert answer.status == 200
        events = [line async for line in answer.content if line.strip()]
    assert events.pop().strip() == b"data: [DONE]"
    return [json.loads(event.removeprefix(b"data: ")) for event in events]


def chat(text: str, **more: object) -> Json:
    return {"messages": [{"role": "user", "content": text}], **more}


@pytest.mark.parametrize("slots", [1, 4])
async def test_all_choices_are_told_whole_and_streamed(start: Start, slots: int) -> None:
    async with start([f"engine.slots={slots}"]) as daemon:
        _, whole = await post(daemon, "chat/completions", chat("say 3", n=4))
        assert [choice["index"] for choice in whole["choices"]] == [0, 1, 2, 3]
        assert {choice["message"]["content"] for choice in whole["choices"]} == {"0字 1字 2字 "}
        assert whole["usage"]["prompt_tokens"] == 100
        assert whole["usage"]["completion_tokens"] == 12
        told = await chunks(daemon, "chat/completions", chat("say 3", n=4))
        for index in range(4):
            own = [c["choices"][0] for c in told if c["choices"][0]["index"] == index]
            assert own[0]["delta"]["role"] == "assistant"
            assert "".join(c["delta"].get("content", "") for c in own) == "0字 1字 2字 "
            assert [c["finish_reason"] for c in own if c["finish_reason"]] == ["stop"]


async def test_one_broken_choice_ends_the_request(daemon: Running) -> None:
    status, answer = await post(daemon, "chat/completions", chat("die 3", n=3))
    assert status == 503
    assert answer["error"]["code"] == "engine_lost"


async def test_a_queue_without_room_for_all_choices_says_so(start: Start) -> None:
    async with start(["engine.slots=1", "queue.waiting=1"]) as daemon:
        status, answer = await post(daemon, "chat/completions", chat("slow 3 0.01", n=4))
        assert status == 503
        assert answer["error"]["code"] == "busy"
        assert (await post(daemon, "chat/completions", chat("say 1")))[0] == 200


async def test_a_raw_prompt(daemon: Running) -> None:
    _, whole = await post(daemon, "completions", {"prompt": "say 3"})
    assert whole["object"] == "text_completion"
    choice = whole["choices"][0]
    assert choice["text"] == "0字 1字 2字 "
    assert choice["finish_reason"] == "stop"
    asked = {"prompt": "say 3", "stream_options": {"include_usage": True}}
    *told, last = await chunks(daemon, "completions", asked)
    assert last["choices"] == []
    assert last["usage"] == whole["usage"]
    assert "".join(chunk["choices"][0]["text"] for chunk in told) == choice["text"]


async def test_several_prompts_with_several_choices_each(daemon: Running) -> None:
    asked = {"prompt": ["say 1", "say 2"], "n": 2}
    _, whole = await post(daemon, "completions", asked)
    texts = ["0字 ", "0字 ", "0字 1字 ", "0字 1字 "]
    assert [choice["text"] for choice in whole["choices"]] == texts
    assert whole["usage"]["prompt_tokens"] == 200
    told: list[str] = ["", "", "", ""]
    for chunk in await chunks(daemon, "completions", asked):
        told[chunk["choices"][0]["index"]] += chunk["choices"][0]["text"]
    assert told == texts


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, None),
        ({"prompt": ""}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": ["a", 1]}, "prompt"),
        ({"prompt": ["a", ""]}, "prompt"),
        ({"prompt": ["a"] * 9}, "prompt"),
        ({"prompt": ["a"] * 3, "n": 4}, "prompt"),
        ({"prompt": "a", "echo": True}, "echo"),
        ({"prompt": "a", "suffix": "b"}, "suffix"),
        ({"prompt": "a", "best_of": 3}, "best_of"),
        ({"prompt": "a", "logprobs": 21}, "logprobs"),
    ],
)
async def test_what_a_raw_prompt_cannot_be(daemon: Running, body: Json, param: str | None) -> None:
    status, answer = await post(daemon, "completions", body)
    assert status == 400
    assert answer["error"]["param"] == param
    assert answer["error"]["message"]


TOOLS = [{"type": "function", "function": {"name": "lamp", "parameters": {"type": "object"}}}]
CALL = '{"name": "lamp", "arguments": {"on": true}}'


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_a_call_is_streamed_as_a_call(daemon: Running, size: int) -> None:
    asked = chat(f"repeat {size} I see. <tool_call>{CALL}</tool_call><tool_call>{CALL}</tool_call>")
    told = await chunks(daemon, "chat/completions", {**asked, "tools": TOOLS})
    choices = [chunk["choices"][0] for chunk in told]
    assert choices[0]["delta"]["role"] == "assistant"
    assert "".join(c["delta"].get("content") or "" for c in choices) == "I see."
    deltas = [c["delta"]["tool_calls"] for c in choices if "tool_calls" in c["delta"]]
    assert [len(delta) for delta in deltas] == [1, 1]
    assert [delta[0]["index"] for delta in deltas] == [0, 1]
    assert all(delta[0]["id"] and delta[0]["type"] == "function" for delta in deltas)
    assert deltas[0][0]["function"] == {"name": "lamp", "arguments": '{"on": true}'}
    assert [c["finish_reason"] for c in choices if c["finish_reason"]] == ["tool_calls"]


async def test_a_call_in_one_piece(daemon: Running) -> None:
    asked = chat(f"repeat 5 {CALL}", tools=TOOLS)
    _, answer = await post(daemon, "chat/completions", asked)
    (choice,) = answer["choices"]
    assert choice["message"]["content"] is None
    (call,) = choice["message"]["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"on": True}
    assert choice["finish_reason"] == "tool_calls"


@pytest.mark.parametrize(
    "more",
    [
        {"tools": TOOLS, "tool_choice": "none"},
        {"tools": []},
        {"tools": [{"type": "web_search"}]},
        {"tools": None, "tool_choice": "auto"},
    ],
)
async def test_without_tools_everything_is_text(daemon: Running, more: Json) -> None:
    _, answer = await post(daemon, "chat/completions", chat(f"repeat 5 {CALL}", **more))
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": CALL}
    assert answer["choices"][0]["finish_reason"] == "stop"


async def test_a_call_that_is_cut_is_text(daemon: Running) -> None:
    asked = chat(f"repeat 5 {CALL}", tools=TOOLS, max_tokens=3)
    _, answer = await post(daemon, "chat/completions", asked)
    assert answer["choices"][0]["message"]["content"] == CALL[:15]
    assert answer["choices"][0]["finish_reason"] == "length"
    told = await chunks(daemon, "chat/completions", asked)
    assert "".join(c["choices"][0]["delta"].get("content", "") for c in told) == CALL[:15]
    assert told[-1]["choices"][0]["finish_reason"] == "length"


async def test_the_engine_gets_calls_and_their_results(daemon: Running) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "lamp", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "Light!"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "turns", "tool_call_id": "c1"},
    ]
    _, answer = await post(daemon, "chat/completions", {"messages": messages, "tools": TOOLS})
    _, called, result = json.loads(answer["choices"][0]["message"]["content"])
    assert called["tool_calls"] == [{"id": "c1", "name": "lamp", "arguments": "{}"}]
    assert result["name"] == "lamp"
    assert result["tool_call_id"] == "c1"


@pytest.mark.parametrize(
    "more",
    [
        {"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "rm"}}},
        {"tool_choice": "required"},
        {"tools": TOOLS, "tool_choice": "always"},
    ],
)
async def test_a_choice_that_cannot_be_made(daemon: Running, more: Json) -> None:
    status, answer = await post(daemon, "chat/completions", chat("say 1", **more))
    assert status == 400
    assert answer["error"]["param"] == "tool_choice"
