"""Ollama's chat, generate and embed against a daemon with the fake engine: lines, options, and every way to fail."""

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bramble.engine.client import Phase
from bramble.engine.extras import Schema, ToolCall
from bramble.engine.wire import Turn
from bramble.server.ollama.bodies import ChatBody, GenerateBody
from bramble.server.ollama.trim import shortened
from tests.conftest import Start
from tests.daemons import DEADLINE, Running
from tests.engine import tiny

Json = dict[str, Any]
WEATHER: Json = {"type": "function", "function": {"name": "weather", "parameters": {}}}


def body(text: str = "say 3", **more: object) -> Json:
    return {"model": "starter", "messages": [{"role": "user", "content": text}], **more}


async def post(daemon: Running, path: str, data: Json | bytes) -> tuple[int, Json]:
    data = data if isinstance(data, bytes) else json.dumps(data).encode()
    async with daemon.http.post(f"{daemon.url}/api/{path}", data=data) as response:
        return response.status, await response.json()


async def lines(daemon: Running, path: str, data: Json) -> list[Json]:
    async with daemon.http.post(f"{daemon.url}/api/{path}", json=data) as response:
        assert response.status == 200
        assert response.content_type == "application/x-ndjson"
        return [json.loads(line) async for line in response.content]


@pytest.fixture(autouse=True)
async def ready(daemon: Running) -> None:
    """A model's name is known once it is loaded."""
    await daemon.until(Phase.READY)


async def test_a_chat_streams_unless_it_is_told_not_to(daemon: Running) -> None:
    *parts, last = await lines(daemon, "chat", body())
    text = "".join(part["message"]["content"] for part in parts)
    assert text == "0字 1字 2字 "
    assert all(part["message"]["role"] == "assistant" for part in [*parts, last])
    assert not any(part["done"] for part in parts)
    assert last["done"] is True
    assert last["done_reason"] == "stop"
    assert last["prompt_eval_count"] == 100
    assert last["eval_count"] == 3
    assert last["total_duration"] > 0
    _, whole = await post(daemon, "chat", body(stream=False))
    assert whole["message"]["content"] == text
    assert whole["done"] is True


async def test_generate_says_the_same(daemon: Running) -> None:
    asked = {"model": "starter:latest", "prompt": "say 3"}
    *parts, last = await lines(daemon, "generate", asked)
    assert "".join(part["response"] for part in parts) == "0字 1字 2字 "
    assert last["model"] == "starter:latest"
    for raw in (False, True):
        _, whole = await post(daemon, "generate", {**asked, "stream": False, "raw": raw})
        assert whole["response"] == "0字 1字 2字 "


async def test_without_a_prompt_only_the_model_is_loaded(daemon: Running) -> None:
    for path in ("chat", "generate"):
        status, answer = await post(daemon, path, {"model": "starter", "keep_alive": -1})
        assert status == 200
        assert answer["done_reason"] == "load"


@pytest.mark.parametrize(
    "name", ["starter", "starter:latest", "SmolLM2 135M Instruct", "smollm2-135m-instruct"]
)
async def test_the_model_has_several_names(daemon: Running, name: str) -> None:
    status, answer = await post(daemon, "chat", {**body(stream=False), "model": name})
    assert status == 200
    assert answer["model"] == name


async def test_another_model_is_not_found(daemon: Running) -> None:
    for path, data in (
        ("chat", body()),
        ("generate", {"prompt": "Hi"}),
        ("embed", {"input": "Hi"}),
        ("show", {}),
    ):
        status, answer = await post(daemon, path, {**data, "model": "llama3.2"})
        assert status == 404
        assert answer == {"error": "model 'llama3.2' not found"}


async def test_calls_come_as_objects(daemon: Running) -> None:
    call = '{"name": "weather", "arguments": {"town": "Bonn"}}'
    asked = body(f"repeat 4 Let me see. <tool_call>{call}</tool_call>", tools=[WEATHER])
    *parts, last = await lines(daemon, "chat", asked)
    calls = [one for part in parts for one in part["message"].get("tool_calls", [])]
    assert [one["function"]["name"] for one in calls] == ["weather"]
    assert calls[0]["function"]["arguments"] == {"town": "Bonn"}
    assert "".join(part["message"]["content"] for part in parts) == "Let me see."
    assert last["done_reason"] == "stop"
    _, whole = await post(daemon, "chat", {**asked, "stream": False})
    assert whole["message"]["content"] == "Let me see."
    assert whole["message"]["tool_calls"][0]["function"]["arguments"] == {"town": "Bonn"}


def test_every_option_reaches_the_engine() -> None:
    options = {
        "num_ctx": 8192.0,
        "num_predict": 5.0,
        "temperature": 0,
        "top_k": 3.0,
        "top_p": 0.5,
        "min_p": 0.1,
        "repeat_penalty": 1.2,
        "seed": 7,
        "stop": ["END"],
        "numa": True,
        "num_gpu": 99,
    }
    asked = body(
        options=options, format={"type": "object"}, tools=[WEATHER], keep_alive="5m", think=False
    )
    asked["messages"] = [
        {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]},
        {"role": "tool", "content": "yes", "tool_name": "f"},
    ]
    wish = msgspec.json.decode(json.dumps(asked), type=ChatBody)
    wish.check(thinks=False)
    request = wish.request(wish.turns(), wish.extras(wish.offered()), 77)
    assert request.max_tokens == 5
    assert request.stop == ("END",)
    sampling = request.sampling
    assert (sampling.temperature, sampling.top_k, sampling.top_p) == (0.0, 3, 0.5)
    assert (sampling.min_p, sampling.repeat_penalty, sampling.seed) == (0.1, 1.2, 7)
    assert request.extras.schema == Schema('{"type":"object"}')
    assert [tool.name for tool in request.extras.tools] == ["weather"]
    assert request.turns == (
        Turn("assistant", "", (ToolCall("", "f", '{"a":1}'),)),
        Turn("tool", "yes", (), "", "f"),
    )


@pytest.mark.parametrize(("predict", "length"), [(None, 77), (3, 3), (0, 1 << 31), (-1, 1 << 31)])
def test_a_length_that_is_not_above_0_is_as_long_as_there_is_room(
    predict: int | None, length: int
) -> None:
    asked = {"model": "x", "prompt": "Hi", "options": {"num_predict": predict}}
    wish = msgspec.convert(asked, GenerateBody)
    assert wish.request(wish.turns(), wish.extras(), 77).max_tokens == length


WRONG: dict[str, tuple[str, Json, str]] = {
    "no model": ("chat", {"messages": []}, "model"),
    "an empty name": ("chat", {"model": ""}, "model"),
    "a role": ("chat", {"model": "starter", "messages": [{"role": "king"}]}, "role"),
    "an image": (
        "chat",
        {"model": "starter", "messages": [{"role": "user", "images": ["aGk="]}]},
        "sees no images",
    ),
    "images": ("generate", {"model": "starter", "prompt": "Hi", "images": ["aGk="]}, "images"),
    "thinking": ("chat", body(think=True), "does not support thinking"),
    "a format": ("chat", body(format="yaml"), "format"),
    "a duration": ("chat", body(keep_alive="soon"), "keep_alive"),
    "temperature": ("chat", body(options={"temperature": 9}), "temperature"),
    "num_ctx": ("chat", body(options={"num_ctx": 0}), "num_ctx"),
    "options as text": ("chat", body(options="hot"), "options"),
    "filling in": ("generate", {"model": "starter", "prompt": "a", "suffix": "b"}, "insert"),
    "a template": ("generate", {"model": "starter", "prompt": "a", "template": "b"}, "template"),
    "a context": ("generate", {"model": "starter", "prompt": "a", "context": [1]}, "/api/chat"),
    "vectors of a chat model": ("embed", {"model": "starter", "input": "a"}, "embeddings"),
    "nothing to show": ("show", {}, "model is required"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_a_wrong_body_is_refused_in_ollama_s_words(daemon: Running, name: str) -> None:
    path, data, words = WRONG[name]
    status, answer = await post(daemon, path, data)
    assert status == 400
    assert words in answer["error"]
    assert daemon.daemon.scheduler.running == 0


async def test_no_json_and_no_route_are_told_as_text(daemon: Running) -> None:
    status, answer = await post(daemon, "chat", b"model=starter")
    assert status == 400
    assert "JSON" in answer["error"]
    async with daemon.http.get(f"{daemon.url}/api/chat") as response:
        assert response.status == 405
        assert isinstance((await response.json())["error"], str)


async def test_whoever_waits_in_vain_is_told_so(start: Start) -> None:
    async with start(["engine.slots=1", "queue.waiting=0"]) as daemon:
        await daemon.until(Phase.READY)
        running = asyncio.create_task(post(daemon, "chat", body("slow 10000 0.01")))
        async with asyncio.timeout(DEADLINE):
            while not daemon.daemon.scheduler.running:
                await asyncio.sleep(0.01)
        status, answer = await post(daemon, "chat", body())
        assert status == 503
        assert "waiting" in answer["error"]
        running.cancel()
        await asyncio.wait([running])


async def test_an_answer_that_breaks_off_ends_with_an_error(
    daemon: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bramble.engine.supervisor.BACK_OFF", (0.0,))
    *parts, last = await lines(daemon, "chat", body("die 3"))
    assert parts
    assert set(last) == {"error"}


async def test_the_oldest_messages_are_left_out_where_all_do_not_fit(start: Start) -> None:
    async with start(engine=["--refuse-above", "3"]) as daemon:
        await daemon.until(Phase.READY)
        system = {"role": "system", "content": "Be kind."}
        pair = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
        asked = body("turns", stream=False)
        asked["messages"] = [system, *pair * 5, asked["messages"][0]]
        status, answer = await post(daemon, "chat", asked)
        assert status == 200
        kept = json.loads(answer["message"]["content"])
        assert [turn["role"] for turn in kept] == ["system", "user"]
        status, answer = await post(daemon, "chat", {**asked, "truncate": False})
        assert status == 400
        assert "too long" in answer["error"]


def test_nothing_is_left_out_of_one_message() -> None:
    alone = (Turn("system", "Be kind."), Turn("user", "x" * 1000))
    assert shortened(alone, 1000, 100) is None
    many = tuple(turn for _ in range(9) for turn in (Turn("user", "a"), Turn("assistant", "b")))
    rest = shortened(many, 200, 100)
    assert rest is not None
    assert rest[0].role == "user"
    assert 0 < len(rest) < len(many)


async def test_vectors_and_their_model(start: Start, tmp_path: Path) -> None:
    tiny.bert(tmp_path / "tiny-bert.gguf")
    async with start([f"embedding.model={tmp_path}/tiny-bert.gguf"]) as daemon:
        await daemon.until(Phase.READY)
        asked = {"model": "tiny-bert", "input": ["hello", "river"]}
        _, many = await post(daemon, "embed", asked)
        assert len(many["embeddings"]) == 2
        assert many["prompt_eval_count"] == 6
        assert sum(x * x for x in many["embeddings"][0]) == pytest.approx(1, abs=1e-5)
        _, old = await post(daemon, "embeddings", {"model": "tiny-bert", "prompt": "hello"})
        assert old["embedding"] == many["embeddings"][0]
        _, short = await post(daemon, "embed", {**asked, "dimensions": 8})
        assert [len(vector) for vector in short["embeddings"]] == [8, 8]
        _, none = await post(daemon, "embed", {"model": "tiny-bert", "input": ""})
        assert none["embeddings"] == []
        long = {"model": "tiny-bert", "input": "river " * 200}
        status, cut = await post(daemon, "embed", long)
        assert status == 200
        assert cut["prompt_eval_count"] == 64
        status, answer = await post(daemon, "embed", {**long, "truncate": False})
        assert status == 400
        assert "too long" in answer["error"]
        status, answer = await post(daemon, "chat", {**body(), "model": "tiny-bert"})
        assert status == 400
        assert "does not support chat" in answer["error"]
        async with daemon.http.get(f"{daemon.url}/api/ps") as response:
            names = [each["name"] for each in (await response.json())["models"]]
        assert names == ["starter:latest", "tiny-bert:latest"]
