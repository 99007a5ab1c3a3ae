"""Ollama's routes about models, the greeting at /, and what may not be changed by just anybody."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse

from bramble.engine.client import Phase
from tests.conftest import Start
from tests.daemons import Running

Json = dict[str, Any]


async def get(daemon: Running, path: str, **headers: str) -> ClientResponse:
    async with daemon.http.get(daemon.url + path, headers=headers) as response:
        await response.read()
        return response


async def post(daemon: Running, path: str, body: Json, method: str = "POST") -> tuple[int, Json]:
    url = f"{daemon.url}/api/{path}"
    async with daemon.http.request(method, url, json=body) as response:
        return response.status, json.loads(await response.read() or b"{}")


@pytest.fixture(autouse=True)
async def ready(daemon: Running) -> None:
    await daemon.until(Phase.READY)


async def test_the_models_that_answer_are_listed(daemon: Running) -> None:
    (model,) = (await (await get(daemon, "/api/tags")).json())["models"]
    assert model["name"] == model["model"] == "starter:latest"
    assert model["size"] == 98362432
    assert len(model["digest"]) == 64
    (running,) = (await (await get(daemon, "/api/ps")).json())["models"]
    assert running["context_length"] == 4096
    assert datetime.fromisoformat(running["expires_at"]).year > 2300


async def test_what_is_unloaded_when_nobody_asks_says_when(start: Start) -> None:
    async with start(["engine.idle_unload=3600"]) as daemon:
        await daemon.until(Phase.READY)
        (running,) = (await (await get(daemon, "/api/ps")).json())["models"]
        left = datetime.fromisoformat(running["expires_at"]).timestamp()
        assert 3500 < left - datetime.now().timestamp() <= 3600


async def test_before_the_model_is_loaded_nothing_is_listed(start: Start) -> None:
    async with start(engine=["--slow-load"]) as daemon:
        response = await get(daemon, "/api/tags")
        assert response.status == 503
        assert response.headers["Retry-After"]


@pytest.mark.parametrize(
    ("accept", "page"),
    [
        ("text/html,application/xhtml+xml,*/*;q=0.8", True),
        ("*/*", True),
        ("application/json", False),
        ("text/plain", False),
    ],
)
async def test_the_greeting_is_for_programs_only(daemon: Running, accept: str, page: bool) -> None:
    response = await get(daemon, "/", Accept=accept)
    assert response.status == 200
    assert ((await response.text()) == "Ollama is running") is not page
    async with daemon.http.head(daemon.url + "/", headers={"Accept": accept}) as head:
        assert head.status == 200


async def test_what_is_here_may_be_pulled_by_anybody(daemon: Running) -> None:
    status, last = await post(daemon, "pull", {"model": "starter", "stream": False})
    assert status == 200
    assert last == {"status": "success"}


async def test_what_is_not_here_takes_the_admin(start: Start, tmp_path: Path) -> None:
    async with start([f"models_dir={tmp_path}"]) as daemon:
        await daemon.until(Phase.READY)
        status, answer = await post(daemon, "pull", {"model": "starter"})
        assert status in (401, 403)
        assert answer["error"]
        status, answer = await post(daemon, "pull", {"model": "no-such-model"})
        assert status == 404


async def test_deleting_takes_the_admin(daemon: Running) -> None:
    status, answer = await post(daemon, "delete", {"model": "starter"}, "DELETE")
    assert status in (401, 403)
    assert answer["error"]


@pytest.mark.parametrize("scheme", ["Bearer anything", "Basic YW55Ym9keTphbnl0aGluZw=="])
@pytest.mark.parametrize(
    "path", ["/api/tags", "/api/version", "/v1/models", "/health", "/props", "/openapi.json"]
)
async def test_keys_of_any_kind_are_no_obstacle(daemon: Running, scheme: str, path: str) -> None:
    response = await get(daemon, path, Authorization=scheme)
    assert response.status == 200
