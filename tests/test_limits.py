"""The whole appliance with a real model in a real control group that is too small, or nearly: it serves or says why.

`BRAMBLE_LARGER_MODEL` names a model, `BRAMBLE_PEER` a llama-server, `BRAMBLE_LIVES` how often each is started (20).
"""

import asyncio
import os
import re
import socket
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest
from aiohttp import ClientError, ClientSession, ClientTimeout

from tests.daemons import Live
from tests.groups import Group, limited

LOAD_SECONDS = 120.0
ANSWER_SECONDS = 120.0
QUESTION = "Tell me about the sea. " * 40
FOUR = 4
LIVES = int(os.environ.get("BRAMBLE_LIVES", "20"))
LARGER = [700, 560, 450, 300]
REFUSAL = re.compile(r"needs \d[\d.]* [MG]B of memory .*, and \d[\d.]* [MG]B are there\.")


class Life(NamedTuple):
    """How one life went, how many of four questions were answered, and how many processes the kernel ended."""

    went: Literal["served", "refused", "killed", "stuck"]
    answers: int
    kills: int


async def answered(http: ClientSession, url: str) -> tuple[int, dict[str, Any]]:
    body = {"messages": [{"role": "user", "content": QUESTION}], "max_tokens": 16}
    async with http.post(f"{url}/v1/chat/completions", json=body) as response:
        return response.status, await response.json()


def sum_up(who: str, megabytes: int, lives: Sequence[Life]) -> None:
    """What a person reads with -s."""
    ways = Counter(life.went for life in lives)
    told = ", ".join(f"{count} {went}" for went, count in ways.most_common())
    answers, kills = sum(life.answers for life in lives), sum(life.kills for life in lives)
    print(f"\n{who} in {megabytes} MB: {told}; {answers} answers, {kills} processes killed")


# ── Bramble ──────────────────────────────────────────────────────────────────────────────────────


async def serve(model: Path, state_dir: Path, megabytes: int) -> Life:
    """One life in a group of this size. The daemon lives to the end of it, whatever the kernel ends."""
    with limited(megabytes) as group:
        live = Live(state_dir, f"engine.model={model}", under=group.enter)
        try:
            async with ClientSession() as http:
                life = await _ask(http, live, group)
            assert live.process.poll() is None, live.log.read_text()
        finally:
            live.end()
        assert live.process.returncode == 0, live.log.read_text()
    return life


async def _ask(http: ClientSession, live: Live, group: Group) -> Life:
    status, body = await settled(http, live.url)
    if status != 200:
        assert REFUSAL.search(body["reason"]) and body["hint"], body
        async with http.get(f"{live.url}/healthz") as response:
            assert response.status == 200
        return Life("refused", 0, group.killed)
    answers = await asyncio.gather(*(answered(http, live.url) for _ in range(FOUR)))
    for status, answer in answers:
        assert status == 200 or answer["error"]["code"] == "recovering", answer
    whole = sum(status == 200 for status, _ in answers)
    assert whole, answers
    assert group.killed == 0, live.log.read_text()
    return Life("served", whole, group.killed)


async def settled(http: ClientSession, url: str) -> tuple[int, dict[str, Any]]:
    """What /readyz says once the model is ready or has failed."""
    async with asyncio.timeout(LOAD_SECONDS):
        while True:
            async with http.get(f"{url}/readyz") as response:
                body: dict[str, Any] = await response.json()
                if response.status == 200 or body["status"] == "failed":
                    return response.status, body
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("megabytes", [120, 200])
async def test_the_starter_where_memory_is_short(
    starter: Path, tmp_path: Path, megabytes: int
) -> None:
    life = await serve(starter, tmp_path, megabytes)
    assert life.went in ("served", "refused") and life.kills == 0


async def lives(model: Path, tmp_path: Path, megabytes: int) -> list[Life]:
    every = [await serve(model, tmp_path / f"{n}", megabytes) for n in range(LIVES)]
    sum_up("Bramble", megabytes, every)
    return every


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("megabytes", [240, 200])
async def test_the_starter_twenty_times(starter: Path, tmp_path: Path, megabytes: int) -> None:
    assert_alike(await lives(starter, tmp_path, megabytes))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("megabytes", LARGER)
async def test_a_larger_model_where_memory_is_short(tmp_path: Path, megabytes: int) -> None:
    assert_alike(await lives(larger_model(), tmp_path, megabytes))


def assert_alike(every: Sequence[Life]) -> None:
    """Nothing is ever killed, and the same memory always ends the same way."""
    assert len({life.went for life in every}) == 1
    assert sum(life.kills for life in every) == 0


def larger_model() -> Path:
    model = os.environ.get("BRAMBLE_LARGER_MODEL")
    if not model:
        pytest.skip("BRAMBLE_LARGER_MODEL names no model")
    return Path(model)


# ── llama-server beside it ───────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("megabytes", LARGER)
async def test_llama_server_in_the_same_groups(tmp_path: Path, megabytes: int) -> None:
    """For comparison (-s): with the same model, context and slots; it refuses nothing, so it serves or is killed."""
    peer, model = os.environ.get("BRAMBLE_PEER"), larger_model()
    if not peer:
        pytest.skip("BRAMBLE_PEER names no llama-server")
    every = [await peer_life(Path(peer), model, megabytes, tmp_path / "log") for _ in range(LIVES)]
    sum_up("llama-server", megabytes, every)
    assert all((life.went == "killed") is (life.kills > 0) for life in every)


async def peer_life(peer: Path, model: Path, megabytes: int, log: Path) -> Life:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with limited(megabytes) as group, log.open("w") as output:
        arguments = ("-m", str(model), "--port", str(port), "-c", "4096", "-np", str(FOUR))
        command = [*group.enter, str(peer), *arguments]
        process = await asyncio.create_subprocess_exec(*command, stdout=output, stderr=output)
        try:
            answers = await _ask_peer(process, f"http://127.0.0.1:{port}")
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        went = "killed" if group.killed else "served" if answers == FOUR else "stuck"
        return Life(went, answers, group.killed)


async def _ask_peer(process: Process, url: str) -> int:
    """How many of four questions it answers in time."""
    async with ClientSession(timeout=ClientTimeout(total=ANSWER_SECONDS)) as http:
        with suppress(ClientError, TimeoutError):
            async with asyncio.timeout(LOAD_SECONDS):
                while process.returncode is None and not await _is_healthy(http, url):
                    await asyncio.sleep(0.1)
            asked = (answered(http, url) for _ in range(FOUR))
            every = await asyncio.gather(*asked, return_exceptions=True)
            return sum(not isinstance(each, BaseException) and each[0] == 200 for each in every)
    return 0


async def _is_healthy(http: ClientSession, url: str) -> bool:
    with suppress(ClientError):
        async with http.get(f"{url}/health") as response:
            return response.status == 200
    return False
