"""The whole appliance with a real model in a real control group that is too small, or nearly: it serves or says why."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from tests.daemons import Live
from tests.groups import Group, limited

LOAD_SECONDS = 120.0
QUESTION = "Tell me about the sea. " * 40


async def settled(http: ClientSession, url: str) -> tuple[int, dict[str, Any]]:
    """What /readyz says once the model is ready or has failed."""
    async with asyncio.timeout(LOAD_SECONDS):
        while True:
            async with http.get(f"{url}/readyz") as response:
                body: dict[str, Any] = await response.json()
                if response.status == 200 or body["status"] == "failed":
                    return response.status, body
            await asyncio.sleep(0.1)


async def answered(http: ClientSession, url: str) -> tuple[int, dict[str, Any]]:
    body = {"messages": [{"role": "user", "content": QUESTION}], "max_tokens": 16}
    async with http.post(f"{url}/v1/chat/completions", json=body) as response:
        return response.status, await response.json()


async def serve(model: Path, state_dir: Path, megabytes: int) -> str:
    """One life in a group of this size; returns "served" or "refused". The daemon lives to the end of it."""
    with limited(megabytes) as group:
        live = Live(state_dir, f"engine.model={model}", under=group.enter)
        try:
            async with ClientSession() as http:
                outcome = await _ask(http, live, group)
            assert live.process.poll() is None, live.log.read_text()
        finally:
            live.end()
        assert live.process.returncode == 0, live.log.read_text()
    return outcome


async def _ask(http: ClientSession, live: Live, group: Group) -> str:
    status, body = await settled(http, live.url)
    if status != 200:
        assert "MB" in body["reason"] and body["hint"], body
        async with http.get(f"{live.url}/healthz") as response:
            assert response.status == 200
        return "refused"
    answers = await asyncio.gather(*(answered(http, live.url) for _ in range(4)))
    for status, answer in answers:
        assert status == 200 or answer["error"]["code"] == "recovering", answer
    assert any(status == 200 for status, _ in answers), answers
    assert group.killed == 0, live.log.read_text()
    return "served"


@pytest.mark.parametrize("megabytes", [120, 200])
async def test_the_starter_where_memory_is_short(
    starter: Path, tmp_path: Path, megabytes: int
) -> None:
    assert await serve(starter, tmp_path, megabytes) in ("served", "refused")


@pytest.mark.slow
@pytest.mark.parametrize("megabytes", [700, 560, 450, 300])
async def test_a_larger_model_where_memory_is_short(tmp_path: Path, megabytes: int) -> None:
    """Twenty lives with the model that BRAMBLE_LARGER_MODEL names, and no daemon is ever killed."""
    model = os.environ.get("BRAMBLE_LARGER_MODEL")
    if not model:
        pytest.skip("BRAMBLE_LARGER_MODEL names no model")
    outcomes = [await serve(Path(model), tmp_path / f"{n}", megabytes) for n in range(20)]
    print(f"{megabytes} MB: {outcomes.count('served')} served, {outcomes.count('refused')} refused")
    assert len(set(outcomes)) == 1
