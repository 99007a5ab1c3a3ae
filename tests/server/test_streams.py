"""Streams over HTTP that outlive their connection, as llama-server's clients use them."""

import asyncio
import json
from typing import Any

import pytest
from aiohttp import ClientResponse

from bramble.engine.client import Phase
from tests.conftest import Start
from tests.daemons import DEADLINE, Running

NAME = "conv-1::some/model:Q8"


def body(text: str, **fields: object) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], "stream": True, **fields}


async def post(
    daemon: Running, text: str, name: str = NAME, key: str = "", **fields: object
) -> ClientResponse:
    headers = {"X-Conversation-Id": name, **({"Authorization": key} if key else {})}
    url = f"{daemon.url}/v1/chat/completions"
    return await daemon.http.post(url, json=body(text, **fields), headers=headers)


async def replay(
    daemon: Running, start: int | str = 0, name: str = NAME, key: str = ""
) -> tuple[int, bytes]:
    url, headers = f"{daemon.url}/v1/stream", {"Authorization": key} if key else {}
    params = {"conv_id": name, "from": str(start)}
    async with (
        asyncio.timeout(DEADLINE),
        daemon.http.get(url, params=params, headers=headers) as response,
    ):
        return response.status, await response.read()


async def delete(daemon: Running, name: str = NAME) -> int:
    async with daemon.http.delete(f"{daemon.url}/v1/stream", params={"conv_id": name}) as response:
        return response.status


async def lookup(daemon: Running, *names: str) -> list[dict[str, Any]]:
    url = f"{daemon.url}/v1/streams/lookup"
    async with daemon.http.post(url, json={"conversation_ids": names}) as response:
        assert response.status == 200
        return await response.json()


def text(stream: bytes) -> str:
    """What a whole stream says; checks that it is whole."""
    events = stream.decode().split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    chunks = [json.loads(event.removeprefix("data: ")) for event in events[:-2]]
    return "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)


async def idle(daemon: Running) -> None:
    """Wait until the engine and the queue are empty."""
    async with asyncio.timeout(DEADLINE):
        while daemon.daemon.scheduler.running or daemon.daemon.scheduler.waiting:
            await asyncio.sleep(0.01)


async def test_a_client_that_drops_reads_on_from_its_last_byte(daemon: Running) -> None:
    response = await post(daemon, "slow 60 0.01")
    assert response.content_type == "text/event-stream"
    first = b""
    while len(first) < 1000:
        first += await response.content.readany()
    response.close()
    status, rest = await replay(daemon, len(first))
    assert status == 200
    assert text(first + rest) == "".join(f"{n}字 " for n in range(60))
    assert await replay(daemon) == (200, first + rest)
    assert await replay(daemon, len(first + rest)) == (200, b"")
    (told,) = await lookup(daemon, NAME, "another")
    assert told["conversation_id"] == NAME
    assert (told["is_done"], told["total_bytes"]) == (True, len(first + rest))
    assert told["completed_at"] >= told["started_at"] > 0
    assert await lookup(daemon, "conv-1") == [told]
    assert await lookup(daemon, "conv") == []


async def test_its_answer_ends_with_nobody_there(daemon: Running) -> None:
    response = await post(daemon, "slow 30 0.01")
    response.close()
    async with asyncio.timeout(DEADLINE):
        while not (await lookup(daemon, NAME))[0]["is_done"]:
            await asyncio.sleep(0.01)
    _, whole = await replay(daemon)
    assert text(whole).startswith("0字 1字")


FAMILIES: dict[str, dict[str, object]] = {
    "chat/completions": {"messages": [{"role": "user", "content": "say 3"}]},
    "completions": {"prompt": "say 3"},
    "responses": {"input": "say 3"},
}


@pytest.mark.parametrize("path", FAMILIES)
async def test_every_family_streams_so(daemon: Running, path: str) -> None:
    asked = {**FAMILIES[path], "stream": True}
    headers = {"X-Conversation-Id": path}
    async with daemon.http.post(f"{daemon.url}/v1/{path}", json=asked, headers=headers) as response:
        whole = await response.read()
    assert "2字".encode() in whole
    assert await replay(daemon, name=path) == (200, whole)


async def test_stop_means_stop_while_it_writes(daemon: Running) -> None:
    response = await post(daemon, "slow 10000 0.01")
    await response.content.readany()
    assert await delete(daemon) == 204
    await idle(daemon)
    await response.read()  # it ends
    assert (await replay(daemon))[0] == 404
    assert await delete(daemon) == 204


async def test_stop_means_stop_in_the_queue(start: Start) -> None:
    async with start(["engine.slots=1"]) as daemon:
        first = await post(daemon, "slow 10000 0.01", "one")
        waiting = asyncio.create_task(post(daemon, "say 1", "two"))
        async with asyncio.timeout(DEADLINE):
            while not daemon.daemon.scheduler.waiting:
                await asyncio.sleep(0.01)
        assert await delete(daemon, "two") == 204
        response = await waiting
        assert response.status == 400
        assert (await response.json())["error"]["code"] == "stopped"
        assert daemon.daemon.scheduler.waiting == 0
        assert daemon.daemon.scheduler.running == 1
        assert await delete(daemon, "one") == 204
        await idle(daemon)
        first.close()


async def test_stop_means_stop_while_the_model_loads(start: Start) -> None:
    async with start(engine=["--slow-load"]) as daemon:
        await daemon.until(Phase.LOADING)
        waiting = asyncio.create_task(post(daemon, "say 1"))
        async with asyncio.timeout(DEADLINE):
            while not daemon.daemon.scheduler.running:
                await asyncio.sleep(0.01)
        assert await delete(daemon) == 204
        assert (await waiting).status == 400
        await idle(daemon)


async def test_a_second_answer_stops_the_first_of_its_name(daemon: Running) -> None:
    first = await post(daemon, "slow 10000 0.01")
    await first.content.readany()
    second = await post(daemon, "say 2")
    assert text(await second.read()) == "0字 1字 "
    await idle(daemon)
    await first.read()
    assert text((await replay(daemon))[1]) == "0字 1字 "


async def test_what_cannot_begin_has_its_status_and_leaves_nothing(start: Start) -> None:
    async with start(engine=["--refuse-above", "1"]) as daemon:
        asked = [{"role": "user", "content": "say 1"}] * 3
        response = await post(daemon, "", messages=asked)
        assert response.status == 400
        assert (await response.json())["error"]["code"] == "context_length_exceeded"
        assert (await replay(daemon))[0] == 404
        assert await lookup(daemon, NAME) == []


async def test_a_key_of_ones_own_keeps_others_out(daemon: Running) -> None:
    mine = await post(daemon, "say 2", key="Bearer mine")
    whole = await mine.read()
    assert (await replay(daemon))[0] == 404
    assert (await replay(daemon, key="Bearer another"))[0] == 404
    assert await delete(daemon) == 204
    assert await replay(daemon, key="Bearer mine") == (200, whole)


async def test_what_is_asked_wrongly_is_told(daemon: Running) -> None:
    await (await post(daemon, "say 1")).read()
    for start in ("x", "-1", "1.5"):
        assert (await replay(daemon, start))[0] == 400
    async with daemon.http.get(f"{daemon.url}/v1/stream") as response:
        assert response.status == 400
    async with daemon.http.delete(f"{daemon.url}/v1/stream") as response:
        assert response.status == 400
    assert (await post(daemon, "say 1", "x" * 257)).status == 400


async def test_they_are_bounded_in_bytes_number_and_time(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bramble.server.streams.STREAM_BYTES", 2000)
    monkeypatch.setattr("bramble.server.streams.STREAMS_MOST", 3)
    monkeypatch.setattr("bramble.server.streams.KEEP_SECONDS", 2.0)
    async with start(["engine.slots=4"]) as daemon:
        await (
            await post(daemon, "say 400", "long")
        ).read()  # what is forgotten before it is read is not waited for
        async with asyncio.timeout(DEADLINE):
            while not (told := (await lookup(daemon, "long"))[0])["is_done"]:
                await asyncio.sleep(0.01)
        assert told["total_bytes"] > 2000
        assert (await replay(daemon, 0, "long"))[0] == 400
        status, rest = await replay(daemon, told["total_bytes"] - 2000, "long")
        assert (status, len(rest)) == (200, 2000)
        running = [await post(daemon, "slow 10000 0.01", f"{n}") for n in range(3)]
        assert await lookup(daemon, "long") == []  # it made room
        refused = await post(daemon, "say 1", "one too many")
        assert refused.status == 503
        assert float(refused.headers["Retry-After"]) > 0
        for n, response in enumerate(running):
            assert await delete(daemon, f"{n}") == 204
            response.close()
        await (await post(daemon, "say 1", "short")).read()
        async with asyncio.timeout(DEADLINE):
            while await lookup(daemon, "short"):
                await asyncio.sleep(0.05)
