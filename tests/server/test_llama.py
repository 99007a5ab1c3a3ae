"""llama-server's routes with the real model: tokens there and back, prompts, and what is loaded."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from bramble.access import passwords
from bramble.access.book import Book
from bramble.engine.client import Phase
from bramble.engine.question import Inspect, Inspected, Tokenize, Tokenized
from bramble.errors import Busy, ModelUnavailable
from tests.conftest import Start
from tests.daemons import Live, Running
from tests.server.test_session import PASSWORD, basic

Json = dict[str, Any]
HELLO = "Hello, 世界! <|im_end|>"


@pytest.fixture
async def http(live: Live) -> AsyncIterator[ClientSession]:
    async with ClientSession(live.until_ready()) as session:
        yield session


async def post(http: ClientSession, path: str, body: Json) -> tuple[int, Json]:
    async with http.post(path, json=body) as response:
        return response.status, await response.json()


async def test_tokens_there_and_back(http: ClientSession) -> None:
    _, plain = await post(http, "/tokenize", {"content": HELLO})
    _, told = await post(http, "/tokenize", {"content": HELLO, "with_pieces": True})
    assert [one["id"] for one in told["tokens"]] == plain["tokens"]
    pieces: list[str | list[int]] = [one["piece"] for one in told["tokens"]]
    data = b"".join(bytes(p) if isinstance(p, list) else p.encode() for p in pieces)
    assert data.decode() == HELLO
    assert pieces[-1] == "<|im_end|>"
    _, back = await post(http, "/detokenize", {"tokens": plain["tokens"]})
    assert back["content"] == HELLO
    _, words = await post(http, "/tokenize", {"content": HELLO, "parse_special": False})
    assert len(words["tokens"]) > len(plain["tokens"])


async def test_the_prompt_of_a_conversation(http: ClientSession) -> None:
    messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}]
    _, told = await post(http, "/apply-template", {"messages": messages})
    assert told["prompt"].index("Be kind.") < told["prompt"].index("Hi")
    assert told["prompt"].endswith("<|im_start|>assistant\n")


async def test_what_is_loaded(http: ClientSession) -> None:
    async with http.get("/props") as response:
        props = await response.json()
    assert props["total_slots"] == 4
    assert props["default_generation_settings"]["n_ctx"] == 4096
    assert props["model_path"].endswith(".gguf")
    assert "/" not in props["model_path"]  # where it lies is nobody's business
    assert "im_start" in props["chat_template"]
    async with http.get("/health") as response:
        assert (response.status, await response.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/tokenize", {}),
        ("/tokenize", {"content": 1}),
        ("/tokenize", {"content": "x" * 100_001}),
        ("/detokenize", {"tokens": [-1]}),
        ("/detokenize", {"tokens": [999_999]}),
        ("/detokenize", {"tokens": "1"}),
        ("/apply-template", {"messages": []}),
    ],
)
async def test_what_cannot_be_answered_is_told_as_llama_server_does(
    http: ClientSession, path: str, body: Json
) -> None:
    status, answer = await post(http, path, body)
    assert status == 400
    assert answer["error"]["code"] == 400
    assert answer["error"]["type"] == "invalid_request_error"
    assert answer["error"]["message"]


async def test_slots_are_the_admin_s(http: ClientSession) -> None:
    async with http.get("/slots") as response:
        assert response.status in (401, 403)
        assert (await response.json())["error"]["code"] == response.status


async def test_slots_are_told_to_the_admin_without_a_word(starter: Path, tmp_path: Path) -> None:
    with Book(tmp_path).change() as contents:
        contents.admin = passwords.hashed(PASSWORD)
    live = Live(tmp_path, f"engine.model={starter}", "engine.slots=2")
    try:
        async with ClientSession(live.until_ready(), headers=basic("admin", PASSWORD)) as http:
            body = {"messages": [{"role": "user", "content": "Count to 500."}], "stream": True}
            async with http.post("/v1/chat/completions", json=body) as response:
                await response.content.readline()
                async with http.get("/slots") as told:
                    slots = await told.json()
        assert [slot["id"] for slot in slots] == [0, 1]
        assert sum(slot["is_processing"] for slot in slots) == 1
        assert "Count" not in json.dumps(slots)
    finally:
        live.end()


async def test_a_text_is_tokenized_while_others_are_answered(http: ClientSession) -> None:
    body = {"messages": [{"role": "user", "content": "Count to 50."}], "stream": True}
    async with http.post("/v1/chat/completions", json=body) as response:
        first = await response.content.readline()
        assert first.startswith(b"data: ")
        status, told = await post(http, "/tokenize", {"content": "word " * 19_999})
        assert status == 200
        assert len(told["tokens"]) >= 19_999
        assert b"[DONE]" in await response.content.read()


async def test_while_it_loads_nothing_is_known(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bramble.engine.client.ASK_SECONDS", 0.1)
    async with start(engine=["--slow-load"]) as daemon:
        await daemon.until(Phase.LOADING)
        for path in ("/health", "/props"):
            async with daemon.http.get(daemon.url + path) as response:
                assert response.status == 503
                assert (await response.json())["error"]["type"] == "unavailable_error"
        with pytest.raises(ModelUnavailable):
            await daemon.daemon.engine.ask(Tokenize(0, "Hi"), Tokenized)


async def test_few_questions_wait_at_once(daemon: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fake engine answers none of them."""
    monkeypatch.setattr("bramble.engine.client.QUESTIONS", 1)
    await daemon.until(Phase.READY)
    engine = daemon.daemon.engine
    asking = asyncio.create_task(engine.ask(Inspect(0), Inspected))
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await engine.ask(Inspect(0), Inspected)
    asking.cancel()
    await asyncio.wait([asking])
    with pytest.raises(Busy):
        await asyncio.gather(*(engine.ask(Inspect(0), Inspected) for _ in range(2)))
