"""/v1/embeddings of a daemon with a real embedding engine and a tiny model, as OpenAI's clients use it."""

import asyncio
import base64
import os
import signal
from array import array
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI

from bramble.engine.client import Phase
from bramble.server.embeddings import TEXTS
from tests.conftest import Start
from tests.daemons import DEADLINE, Running
from tests.engine import tiny

Json = dict[str, Any]
WIDTH = 48


@pytest.fixture
async def embedding(start: Start, tmp_path: Path) -> AsyncIterator[Running]:
    """A daemon with the fake engine to chat and a real one to embed."""
    tiny.bert(tmp_path / "tiny-bert.gguf")
    async with start([f"embedding.model={tmp_path}/tiny-bert.gguf"]) as daemon:
        yield daemon


async def post(daemon: Running, body: Json) -> tuple[int, Json]:
    async with daemon.http.post(f"{daemon.url}/v1/embeddings", json=body) as response:
        return response.status, await response.json()


def process(daemon: Running) -> int:
    """The embedding engine's process id."""
    assert daemon.daemon.embedder is not None
    assert daemon.daemon.embedder.pid is not None
    return daemon.daemon.embedder.pid


async def test_the_shape_is_openai_s(embedding: Running) -> None:
    status, answer = await post(embedding, {"input": ["hello", "river"], "model": "any"})
    assert status == 200
    assert answer["object"] == "list"
    assert answer["model"] == "tiny-bert"
    assert answer["usage"] == {"prompt_tokens": 6, "total_tokens": 6}
    assert [item["index"] for item in answer["data"]] == [0, 1]
    for item in answer["data"]:
        assert item["object"] == "embedding"
        assert len(item["embedding"]) == WIDTH
        assert sum(number**2 for number in item["embedding"]) == pytest.approx(1, abs=1e-5)


async def test_openai_s_own_client_gets_the_same_in_both_formats(embedding: Running) -> None:
    async with AsyncOpenAI(base_url=f"{embedding.url}/v1", api_key="any") as client:
        packed = await client.embeddings.create(input="hello", model="tiny-bert")  # asks for base64
        plain = await client.embeddings.create(
            input=["hello"], model="tiny-bert", encoding_format="float"
        )
        short = await client.embeddings.create(input="hello", model="tiny-bert", dimensions=8)
    assert packed.data[0].embedding == plain.data[0].embedding
    assert len(packed.data[0].embedding) == WIDTH
    assert len(short.data[0].embedding) == 8
    assert packed.usage.total_tokens == plain.usage.total_tokens == 3


async def test_base64_is_of_little_endian_floats(embedding: Running) -> None:
    body = {"input": "hello", "model": "any"}
    _, plain = await post(embedding, body)
    _, packed = await post(embedding, {**body, "encoding_format": "base64"})
    data = base64.b64decode(packed["data"][0]["embedding"])
    assert array("f", data).tolist() == plain["data"][0]["embedding"]


async def test_tokens_are_taken_as_they_are(embedding: Running) -> None:
    tokens = [tiny.WPM.index(piece) for piece in ("[CLS]", "▁hello", "[SEP]")]
    _, text = await post(embedding, {"input": "hello"})
    _, one = await post(embedding, {"input": tokens})
    _, many = await post(embedding, {"input": [tokens, tokens]})
    assert one["data"] == text["data"]
    assert [item["embedding"] for item in many["data"]] == [text["data"][0]["embedding"]] * 2


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "missing required field input"),
        ({"input": ""}, "must not be empty"),
        ({"input": []}, "must not be empty"),
        ({"input": ["a", ""]}, "must not be empty"),
        ({"input": [1, "a"]}, "mixes tokens with texts"),
        ({"input": [-1]}, "input"),
        ({"input": [99_999]}, "does not know"),
        ({"input": "a", "dimensions": 0}, "dimensions"),
        ({"input": "a", "dimensions": 49}, "the model's vectors have 48"),
        ({"input": "a", "encoding_format": "hex"}, "encoding_format"),
        ({"input": ["a"] * (TEXTS + 1)}, "2048 are taken at once"),
        ({"input": "river " * 63}, "has 65 tokens and the embedding model takes 64"),
    ],
)
async def test_what_cannot_be_embedded_is_refused(
    embedding: Running, body: Json, message: str
) -> None:
    status, answer = await post(embedding, body)
    assert status == 400
    assert message in answer["error"]["message"]
    assert answer["error"]["type"] == "invalid_request_error"


async def test_too_long_a_text_has_openai_s_code(embedding: Running) -> None:
    _, answer = await post(embedding, {"input": "river " * 100})
    assert answer["error"]["code"] == "context_length_exceeded"
    assert answer["error"]["param"] == "input"


async def test_without_a_model_it_says_how_to_get_one(daemon: Running) -> None:
    status, answer = await post(daemon, {"input": "hello"})
    assert status == 404
    assert "config.yaml" in answer["error"]["message"]


async def test_a_missing_file_is_no_obstacle_to_chatting(start: Start, tmp_path: Path) -> None:
    async with start([f"embedding.model={tmp_path}/nowhere.gguf"]) as daemon:
        await daemon.until(Phase.READY)
        status, answer = await post(daemon, {"input": "hello"})
        assert status == 503
        assert "embedding.model" in answer["error"]["message"]


async def test_the_list_of_models_has_it(embedding: Running) -> None:
    await embedding.until(Phase.READY)
    async with embedding.http.get(f"{embedding.url}/v1/models") as response:
        models = (await response.json())["data"]
    assert [model["id"] for model in models] == ["SmolLM2 135M Instruct", "tiny-bert"]


async def test_its_death_is_told_and_chatting_does_not_notice(embedding: Running) -> None:
    await embedding.until(Phase.READY)
    chat = embedding.daemon.engine.state.pid
    await post(embedding, {"input": "hello"})
    os.kill(process(embedding), signal.SIGSTOP)
    waiting = asyncio.create_task(post(embedding, {"input": ["stone"] * 2000}))
    await until_asked(embedding)
    os.kill(process(embedding), signal.SIGKILL)
    status, answer = await waiting
    assert status == 503
    assert "ended unexpectedly" in answer["error"]["message"]
    assert (await post(embedding, {"input": "hello"}))[0] == 200
    assert embedding.daemon.engine.state.pid == chat
    assert embedding.daemon.engine.state.phase is Phase.READY


async def until_asked(daemon: Running) -> None:
    """Wait until a request has reached the embedder."""
    async with asyncio.timeout(DEADLINE):
        while not daemon.daemon.embedder or not daemon.daemon.embedder.running:
            await asyncio.sleep(0.01)


async def test_a_client_that_leaves_is_forgotten(embedding: Running) -> None:
    await post(embedding, {"input": "hello"})
    os.kill(process(embedding), signal.SIGSTOP)
    waiting = asyncio.create_task(post(embedding, {"input": ["stone"] * 2000}))
    await until_asked(embedding)
    waiting.cancel()
    async with asyncio.timeout(DEADLINE):
        while embedding.daemon.embedder and embedding.daemon.embedder.running:
            await asyncio.sleep(0.01)
    os.kill(process(embedding), signal.SIGCONT)
    assert (await post(embedding, {"input": "hello"}))[0] == 200
