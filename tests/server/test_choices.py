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
