"""The OpenAI API against a daemon with the fake engine: bodies, streams, and every way to fail."""

import asyncio
import json
from io import BytesIO
from typing import Any

import msgspec
import pytest
from aiohttp import ClientResponse

from bramble.engine.client import Phase
from bramble.engine.extras import Bias
from bramble.server.completion import ChatCompletion
from tests.conftest import Start
from tests.daemons import DEADLINE, Running

Json = dict[str, Any]


def body(text: str = "say 3", **more: object) -> Json:
    return {"messages": [{"role": "user", "content": text}], **more}


async def post(daemon: Running, data: Json | str | bytes) -> tuple[int, Json, ClientResponse]:
    data = json.dumps(data) if isinstance(data, dict) else data
    async with daemon.http.post(f"{daemon.url}/v1/chat/completions", data=data) as response:
        return response.status, await response.json(), response


async def stream(daemon: Running, data: Json) -> list[Json | str]:
    """Every event of a stream, parsed; [DONE] as it is."""
    events: list[Json | str] = []
    async with daemon.http.post(
        f"{daemon.url}/v1/chat/completions", json={**data, "stream": True}
    ) as response:
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        async for line in response.content:
            if line.strip() and not line.startswith(b": "):  # a comment, which no client reads
                assert line.startswith(b"data: ")
                event = line.removeprefix(b"data: ").strip()
                events.append("[DONE]" if event == b"[DONE]" else json.loads(event))
    return events


async def test_a_completion_in_one_piece(daemon: Running) -> None:
    status, answer, _ = await post(daemon, body(model="whatever", surprise={"new": True}))
    assert status == 200
    assert answer["object"] == "chat.completion"
    assert answer["model"] == "SmolLM2 135M Instruct"
    choice = answer["choices"][0]
    assert choice["message"] == {"role": "assistant", "content": "0字 1字 2字 "}
    assert choice["finish_reason"] == "stop"
    assert answer["usage"]["total_tokens"] == 103


async def test_a_stream_says_the_same(daemon: Running) -> None:
    *chunks, end = await stream(daemon, body())
    assert end == "[DONE]"
    assert all(isinstance(chunk, dict) and "usage" not in chunk for chunk in chunks)
    choices = [chunk["choices"][0] for chunk in chunks if isinstance(chunk, dict)]
    assert choices[0]["delta"]["role"] == "assistant"
    text = "".join(choice["delta"].get("content", "") for choice in choices)
    assert text == "0字 1字 2字 "
    assert [choice["finish_reason"] for choice in choices] == [None] * (len(choices) - 1) + ["stop"]
    assert len({chunk["id"] for chunk in chunks if isinstance(chunk, dict)}) == 1


async def test_usage_comes_last_where_it_was_asked_for(daemon: Running) -> None:
    events = await stream(daemon, body(stream_options={"include_usage": True}))
    *chunks, last, end = events
    assert end == "[DONE]"
    assert isinstance(last, dict)
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] == 3
    assert all(isinstance(chunk, dict) and chunk["usage"] is None for chunk in chunks)


async def test_a_length_ends_with_length(daemon: Running) -> None:
    for name in ("max_tokens", "max_completion_tokens"):
        _, answer, _ = await post(daemon, body("say 9", **{name: 2}))
        assert answer["choices"][0]["finish_reason"] == "length"
        assert answer["usage"]["completion_tokens"] == 2


async def test_the_model_is_listed(daemon: Running) -> None:
    await daemon.until(Phase.READY)
    async with daemon.http.get(f"{daemon.url}/v1/models") as response:
        models = (await response.json())["data"]
    assert [model["id"] for model in models] == ["SmolLM2 135M Instruct"]


def test_every_parameter_reaches_the_engine() -> None:
    order = msgspec.json.decode(
        json.dumps(
            {
                "messages": [
                    {"role": "developer", "content": "Be kind."},
                    {"role": "user", "content": [{"type": "text", "text": t} for t in ("A", "B")]},
                    {"role": "assistant", "content": None, "tool_calls": []},
                ],
                "stop": "END",
                "seed": 7,
                "temperature": 0,
                "top_p": 0.5,
                "top_k": 3,
                "min_p": 0.1,
                "presence_penalty": -1,
                "frequency_penalty": 1,
                "logit_bias": {"5": -100},
            }
        ),
        type=ChatCompletion,
    ).prompts(77)[0][0]
    assert [(turn.role, turn.content) for turn in order.turns] == [
        ("system", "Be kind."),
        ("user", "AB"),
        ("assistant", ""),
    ]
    assert order.stop == ("END",)
    assert order.max_tokens == 77
    sampling = msgspec.structs.asdict(order.sampling)
    assert sampling.pop("repeat_penalty") == 1.0
    assert list(sampling.values()) == [0.0, 3, 0.5, 0.1, 1.0, -1.0, 7, (Bias(5, -100.0),)]


WRONG: dict[str, tuple[object, str | None]] = {
    "no messages": ({}, None),
    "messages of a wrong type": ({"messages": "Hi"}, "messages"),
    "an empty conversation": ({"messages": []}, "messages"),
    "an unknown role": ({"messages": [{"role": "king", "content": "Hi"}]}, "messages[0].role"),
    "an image": (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
        "messages[0].content[0].type",
    ),
    "n": (body(n=5), "n"),
    "no answer": (body(n=0), "n"),
    "bias": (body(logit_bias={"5": 101}), "logit_bias[...]"),
    "bias of no token": (body(logit_bias={"five": 1}), None),
    "likely ones without logprobs": (body(top_logprobs=3), "top_logprobs"),
    "too many likely ones": (body(logprobs=True, top_logprobs=21), "top_logprobs"),
    "negative temperature": (body(temperature=-0.1), "temperature"),
    "hot temperature": (body(temperature=2.1), "temperature"),
    "temperature as text": (body(temperature="1"), "temperature"),
    "temperature as truth": (body(temperature=True), "temperature"),
    "top_p": (body(top_p=0), "top_p"),
    "top_k": (body(top_k=-1), "top_k"),
    "min_p": (body(min_p=1.5), "min_p"),
    "presence": (body(presence_penalty=-3), "presence_penalty"),
    "frequency": (body(frequency_penalty=3), "frequency_penalty"),
    "no tokens": (body(max_tokens=0), "max_tokens"),
    "half a token": (body(max_tokens=1.5), "max_tokens"),
    "many stops": (body(stop=list("abcde")), "stop"),
    "stop of a wrong type": (body(stop=[1]), "stop[0]"),
    "huge seed": (body(seed=1 << 64), "seed"),
    "an unknown format": (
        body(response_format={"type": "yaml"}),
        "response_format.type",
    ),
    "a format without its schema": (
        body(response_format={"type": "json_schema"}),
        "response_format",
    ),
    "stream as text": (body(stream="yes"), "stream"),
}
MALFORMED = {
    "nothing": b"",
    "no json": b"messages=Hi",
    "cut": b'{"messages":[{"role":"user","content":"Hi',
    "NaN": b'{"messages":[{"role":"user","content":"Hi"}],"temperature":NaN}',
    "Infinity": b'{"messages":[{"role":"user","content":"Hi"}],"top_p":Infinity}',
    "too large a number": b'{"messages":[{"role":"user","content":"Hi"}],"top_p":1e999}',
    "no UTF-8": b'{"messages":[{"role":"user","content":"\xff"}]}',
    "half a surrogate pair": b'{"messages":[{"role":"user","content":"\\ud800"}]}',
    "too deep": b'{"x":' + b"[" * 500_000,
}


@pytest.mark.parametrize("name", WRONG)
async def test_a_wrong_body_names_what_is_wrong(daemon: Running, name: str) -> None:
    data, param = WRONG[name]
    status, answer, _ = await post(daemon, msgspec.json.encode(data))
    assert status == 400
    assert answer["error"]["param"] == param
    assert answer["error"]["type"] == "invalid_request_error"
    assert answer["error"]["message"]


@pytest.mark.parametrize("name", MALFORMED)
async def test_a_malformed_body_is_refused(daemon: Running, name: str) -> None:
    status, answer, _ = await post(daemon, MALFORMED[name])
    assert status == 400
    assert answer["error"]["code"] == "bad_request"
    assert daemon.daemon.scheduler.running == 0


async def test_a_body_of_10_mb_is_refused(daemon: Running) -> None:
    url, large = f"{daemon.url}/v1/chat/completions", BytesIO(b"x" * 10_000_000)
    async with daemon.http.post(url, data=large) as response:
        assert response.status == 413
        assert (await response.json())["error"]["type"] == "invalid_request_error"


async def test_a_body_that_is_not_what_its_headers_say_is_refused(daemon: Running) -> None:
    url, headers = f"{daemon.url}/v1/chat/completions", {"Content-Encoding": "gzip"}
    async with daemon.http.post(url, data=b"no gzip", headers=headers) as response:
        assert response.status == 400
        assert (await response.json())["error"]["code"] == "bad_request"


async def test_errors_elsewhere_in_v1_have_the_same_shape(daemon: Running) -> None:
    for method, path, status in (("GET", "/v1/nothing", 404), ("GET", "/v1/chat/completions", 405)):
        async with daemon.http.request(method, daemon.url + path) as response:
            assert response.status == status
            assert (await response.json())["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("streams", [False, True])
async def test_a_prompt_that_does_not_fit_is_refused(start: Start, streams: bool) -> None:
    async with start(engine=["--refuse-above", "1"]) as daemon:
        messages = [{"role": "user", "content": "say 1"}] * 3
        status, answer, _ = await post(daemon, {"messages": messages, "stream": streams})
        assert status == 400
        assert answer["error"]["code"] == "context_length_exceeded"
        assert "300" in answer["error"]["message"]


@pytest.mark.parametrize("streams", [False, True])
async def test_a_full_queue_says_when_to_come_back(start: Start, streams: bool) -> None:
    async with start(["engine.slots=1", "queue.waiting=0"]) as daemon:
        running = asyncio.create_task(post(daemon, body("slow 10000 0.01")))
        async with asyncio.timeout(DEADLINE):
            while not daemon.daemon.scheduler.running:
                await asyncio.sleep(0.01)
        status, answer, response = await post(daemon, body(stream=streams))
        assert status == 503
        assert answer["error"]["code"] == "busy"
        assert int(response.headers["Retry-After"]) >= 1
        running.cancel()
        await asyncio.wait([running])


async def test_a_stream_goes_on_where_the_engine_died(daemon: Running) -> None:
    whole = "".join(f"{n}字 " for n in range(9))
    *chunks, _ = await stream(daemon, body("falter 3 9"))
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks if isinstance(chunk, dict)]
    assert "".join(delta.get("content", "") for delta in deltas) == whole
    assert [delta for delta in deltas if "role" in delta] == [deltas[0]]
    status, answer, _ = await post(daemon, body("falter 3 9"))
    assert status == 200
    assert answer["choices"][0]["message"]["content"] == whole
    assert answer["usage"]["completion_tokens"] == 9


async def test_an_answer_that_always_kills_the_engine_ends_with_an_error(
    daemon: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bramble.engine.supervisor.BACK_OFF", (0.0,))
    *_, last = await stream(daemon, body("die 3"))
    assert isinstance(last, dict)
    assert last["error"]["code"] == "engine_lost"
    status, answer, _ = await post(daemon, body("die 3"))
    assert status == 503
    assert answer["error"]["code"] == "engine_lost"
    status, *_ = await post(daemon, body("say 1"))
    assert status == 200


async def test_while_the_model_loads_it_is_not_listed(start: Start) -> None:
    async with (
        start(engine=["--slow-load"]) as daemon,
        daemon.http.get(f"{daemon.url}/v1/models") as response,
    ):
        assert response.status == 503
        assert "Retry-After" in response.headers
        assert (await response.json())["error"]["code"] == "model_unavailable"
