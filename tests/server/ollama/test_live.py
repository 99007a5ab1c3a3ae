"""Ollama's own SDK and the programs of FACTS with the real model: Home Assistant, Open WebUI, VS Code."""

# pyright: reportUnknownMemberType=false
# The SDK's own types are not whole.

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession
from ollama import AsyncClient, ResponseError

from tests.daemons import Live

Json = dict[str, Any]
HELLO: Json = {"role": "user", "content": "Say hello."}
SHORT: Json = {"num_predict": 12, "temperature": 0, "seed": 1}
LIGHT: Json = {
    "type": "function",
    "function": {
        "name": "turn_on",
        "description": "Turns a light on.",
        "parameters": {
            "type": "object",
            "properties": {"room": {"type": "string", "enum": ["hall", "kitchen"]}},
            "required": ["room"],
        },
    },
}


@pytest.fixture(autouse=True)
def ready(live: Live) -> None:
    live.until_ready()


@pytest.fixture
async def client(live: Live) -> AsyncIterator[AsyncClient]:
    client = AsyncClient(live.ollama_url)  # the second port
    yield client
    await client._client.aclose()  # pyright: ignore[reportPrivateUsage]


@pytest.fixture
async def http() -> AsyncIterator[ClientSession]:
    async with ClientSession() as session:
        yield session


async def test_the_sdk_lists_and_shows(client: AsyncClient) -> None:
    (model,) = (await client.list()).models
    assert model.model is not None
    shown = await client.show(model.model)
    assert shown.modelinfo is not None
    assert shown.modelinfo["general.architecture"] == "llama"
    assert shown.modelinfo["llama.context_length"] == 4096
    assert shown.capabilities == ["completion", "tools"]
    assert shown.details is not None
    assert shown.details.quantization_level == "Q4_1"
    assert "<|im_start|>" in (shown.template or "")
    running = (await client.ps()).models[0]
    assert running.model == model.model
    assert running.expires_at is not None


async def test_the_sdk_chats_whole_and_streamed(client: AsyncClient) -> None:
    whole = await client.chat("starter", [HELLO], options=SHORT)
    parts = [
        part
        async for part in await client.chat(
            "starter", [HELLO], options=SHORT, stream=True, keep_alive=-1
        )
    ]
    assert whole.message.content
    assert parts[-1].done
    assert parts[-1].eval_count == whole.eval_count
    assert all(part.message.content is not None for part in parts)
    told = await client.generate("starter", "The sky is", raw=True, options=SHORT, stream=False)
    assert told.response


async def test_the_sdk_gets_json_of_a_schema(client: AsyncClient) -> None:
    schema: Json = {
        "type": "object",
        "properties": {"room": {"type": "string", "enum": ["hall", "kitchen"]}},
        "required": ["room"],
    }
    answer = await client.chat("starter", [HELLO], format=schema)
    assert json.loads(answer.message.content or "")["room"] in ("hall", "kitchen")
    free = await client.generate(
        "starter", "One short JSON object.", format="json", options={"seed": 1, "num_predict": 40}
    )
    assert (free.response or "").startswith("{")


async def test_the_sdk_offers_tools_and_hands_results_in(client: AsyncClient) -> None:
    call = {"function": {"name": "turn_on", "arguments": {"room": "hall"}}}
    answer = await client.chat(
        "starter",
        [
            HELLO,
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "content": "It is on.", "tool_name": "turn_on"},
        ],
        tools=[LIGHT],
        options=SHORT,
    )
    assert answer.message.content or answer.message.tool_calls


async def test_the_sdk_reads_why_not(client: AsyncClient) -> None:
    with pytest.raises(ResponseError, match="not found") as caught:
        await client.chat("llama3.2", [HELLO])
    assert caught.value.status_code == 404
    with pytest.raises(ResponseError, match="does not support embeddings"):
        await client.embed("starter", "Hi")
    with pytest.raises(ResponseError, match="does not support thinking"):
        await client.chat("starter", [HELLO], think=True)
    with pytest.raises(ResponseError) as caught:
        await client.pull("no-such-model")
    assert caught.value.status_code == 404


async def test_home_assistant_talks_to_it(live: Live, http: ClientSession) -> None:
    """It lists, then streams with keep_alive, num_ctx as a float, think and tools; a schema for its AI tasks."""
    async with http.get(f"{live.url}/api/tags") as response:
        names = [model["model"] for model in (await response.json())["models"]]
    body: Json = {
        "model": names[0],
        "messages": [{"role": "system", "content": "You control a home."}, HELLO],
        "tools": [LIGHT],
        "stream": True,
        "keep_alive": "300s",
        "options": {"num_ctx": 131072.0, "num_predict": 12},
        "think": False,
    }
    async with http.post(f"{live.url}/api/chat", json=body) as response:
        assert response.status == 200
        parts = [json.loads(line) async for line in response.content]
    assert parts[-1]["done"]
    assert parts[0]["message"]["role"] == "assistant"
    async with http.get(f"{live.url}/api/ps") as response:
        (running,) = (await response.json())["models"]
    assert running["context_length"] == 4096  # nobody's num_ctx loads the model anew
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
    task = {**body, "format": schema, "tools": None, "stream": False, "keep_alive": -1}
    task["options"] = {"num_ctx": 8192}
    async with http.post(f"{live.url}/api/chat", json=task) as response:
        told = json.loads((await response.json())["message"]["content"])
    assert isinstance(told["ok"], bool)


async def test_open_webui_finds_what_it_reads(live: Live, http: ClientSession) -> None:
    async with http.get(f"{live.url}/v1/models", headers={"Authorization": "Bearer x"}) as response:
        assert all(model["id"] for model in (await response.json())["data"])
    async with http.get(f"{live.url}/api/version") as response:
        assert (await response.json())["version"]
    async with http.get(f"{live.url}/api/tags") as response:
        for model in (await response.json())["models"]:
            assert model["name"] == model["model"]
            assert model["digest"]
    async with http.get(f"{live.url}/api/ps") as response:
        for model in (await response.json())["models"]:
            assert "T" in model["expires_at"]


async def test_vs_code_finds_what_it_reads(live: Live, http: ClientSession) -> None:
    """It wants 0.6.4 or newer, asks about each model, then chats by OpenAI's API."""
    async with http.get(f"{live.url}/api/version") as response:
        version = (await response.json())["version"]
    assert tuple(map(int, version.split("."))) >= (0, 6, 4)
    async with http.get(f"{live.url}/api/tags") as response:
        model = (await response.json())["models"][0]["model"]
    async with http.post(f"{live.url}/api/show", json={"model": model}) as response:
        shown = await response.json()
    family = shown["model_info"]["general.architecture"]
    assert isinstance(shown["capabilities"], list)
    assert shown["model_info"]["general.basename"]
    assert shown["model_info"][f"{family}.context_length"] == 4096
    body = {"model": model, "messages": [HELLO], "max_tokens": 8, "stream": False}
    async with http.post(f"{live.url}/v1/chat/completions", json=body) as response:
        assert (await response.json())["choices"][0]["message"]["content"]


async def test_a_client_s_greeting(live: Live, http: ClientSession) -> None:
    async with http.head(live.ollama_url) as response:
        assert response.status == 200
    async with http.get(live.ollama_url) as response:
        assert await response.text() == "Ollama is running"
