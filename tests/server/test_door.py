"""Connections that say nothing, little or too late, and too many of them: whoever asks for something gets in."""

import asyncio
import json
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.conftest import Start
from tests.daemons import DEADLINE, Live, Running
from tests.page import page

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
QUICK = ["server.limits.head=1", "server.limits.idle=1"]
FEW = ["server.limits.per_address=4"]

Wire = tuple[StreamReader, StreamWriter]


class Visitor:
    """Opens connections and closes what is left of them in the end."""

    def __init__(self, url: str) -> None:
        self._port = int(url.rsplit(":")[-1])
        self._open: list[StreamWriter] = []

    async def connect(self, sends: bytes = b"", source: str = "127.0.0.1") -> Wire:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self._port, local_addr=(source, 0)
        )
        self._open.append(writer)
        writer.write(sends)
        return reader, writer

    def leave(self) -> None:
        for writer in self._open:
            writer.transport.abort()


async def rest(reader: StreamReader) -> bytes:
    """Everything until the other end closes."""
    async with asyncio.timeout(DEADLINE):
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""


async def answer(reader: StreamReader) -> bytes:
    async with asyncio.timeout(DEADLINE):
        head = await reader.readuntil(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        return head + await reader.readexactly(size)


@pytest.fixture
async def quick(start: Start) -> AsyncIterator[tuple[Running, Visitor]]:
    async with start(QUICK) as daemon:
        visitor = Visitor(daemon.url)
        yield daemon, visitor
        visitor.leave()


async def test_who_says_nothing_is_let_go(quick: tuple[Running, Visitor]) -> None:
    reader, _ = await quick[1].connect()
    assert await rest(reader) == b""


async def test_who_never_finishes_a_head_is_told_so(quick: tuple[Running, Visitor]) -> None:
    reader, writer = await quick[1].connect(HEALTH[:-2])

    async def dribble() -> None:
        while not writer.transport.is_closing():
            writer.write(b"X-More: 1\r\n")
            await asyncio.sleep(0.1)

    dribbling = asyncio.create_task(dribble())
    told = await rest(reader)
    dribbling.cancel()
    assert b" 408 " in told or told == b""  # a reset may overtake the words


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (b"GARBAGE\r\n\r\n", "Invalid method encountered"),
        (b"GET http://[::1/ HTTP/1.1\r\n\r\n", "Invalid address"),
        (HEALTH[:-2] + b"A\0B: c\r\n\r\n", "Invalid header token"),
        (HEALTH[:-2] + b"Content-Length: x\r\n\r\n", "Invalid character in Content-Length"),
        (HEALTH[:-2] + b"Content-Length: 1\r\nContent-Encoding: br\r\n\r\n{", "content-encoding"),
        (HEALTH[:-2] + b"X: " + 9000 * b"a" + b"\r\n\r\n", "Got more than 8190 bytes"),
    ],
)
async def test_what_is_no_http_is_refused_like_everything_else(
    quick: tuple[Running, Visitor], wrong: bytes, reason: str
) -> None:
    reader, _ = await quick[1].connect(wrong)
    head, _, body = (await rest(reader)).partition(b"\r\n\r\n")
    assert head.split()[1] == b"400" and b"Server: Bramble" in head and b"nosniff" in head
    error = json.loads(body)["error"]
    assert error["code"] == "bad_request" and reason in error["message"]
    assert "aaaa" not in error["message"]


async def test_a_connection_may_wait_for_its_next_request_but_not_for_ever(
    quick: tuple[Running, Visitor],
) -> None:
    reader, writer = await quick[1].connect()
    for _ in range(5):
        writer.write(HEALTH)
        assert b" 200 " in await answer(reader)
        await asyncio.sleep(0.3)
    assert await rest(reader) == b""


async def test_who_waits_for_an_answer_may_wait_for_long(quick: tuple[Running, Visitor]) -> None:
    daemon, _ = quick
    async with page(daemon.http, daemon.url) as one:
        _, text = await one.ask("slow 30 0.1")
        assert text.endswith("29字 ")
    body = {"messages": [{"role": "user", "content": "slow 30 0.1"}]}
    async with daemon.http.post(f"{daemon.url}/v1/chat/completions", json=body) as response:
        assert (await response.json())["usage"]["completion_tokens"] == 30


async def test_who_came_before_the_door_was_closed_is_answered(
    starter: Path, tmp_path: Path
) -> None:
    """The daemon that stops refuses nobody; who comes later waits for the next one at systemd's socket."""
    live = Live(tmp_path, f"engine.model={starter}")
    visitor = Visitor(live.url)
    just_came, halfway = await visitor.connect(), await visitor.connect(HEALTH[:20])
    await answer((await visitor.connect(HEALTH))[0])  # so that those before have been let in
    live.process.terminate()
    async with asyncio.timeout(DEADLINE):
        while "stopping" not in live.log.read_text():
            await asyncio.sleep(0.01)
    just_came[1].write(HEALTH)
    halfway[1].write(HEALTH[20:])
    for reader, _ in (just_came, halfway):
        assert (await answer(reader)).startswith(b"HTTP/1.1 200 ")
    visitor.leave()
    live.end()


async def test_the_silent_make_room_for_who_comes(start: Start) -> None:
    async with start(FEW) as daemon:
        visitor = Visitor(daemon.url)
        silent = [await visitor.connect() for _ in range(10)]
        reader, _ = await visitor.connect(HEALTH)
        assert b" 200 " in await answer(reader)
        for each, _ in silent[:6]:
            assert await rest(each) == b""
        visitor.leave()


async def test_an_address_whose_connections_are_all_in_use_is_told_to_wait(start: Start) -> None:
    async with start(FEW) as daemon, AsyncExitStack() as pages:
        visitor = Visitor(daemon.url)
        for _ in range(4):
            await pages.enter_async_context(page(daemon.http, daemon.url))
        reader, _ = await visitor.connect(HEALTH)
        told = await rest(reader)
        assert b" 503 " in told
        assert b"Retry-After: 5" in told
        reader, _ = await visitor.connect(HEALTH, source="127.0.0.2")
        assert b" 200 " in await answer(reader)
        visitor.leave()


async def test_all_addresses_together_have_a_bound(start: Start) -> None:
    async with start(["server.limits.connections=8"]) as daemon:
        visitor = Visitor(daemon.url)
        silent = [await visitor.connect(source=f"127.0.0.{n}") for n in range(2, 12)]
        reader, _ = await visitor.connect(HEALTH)
        assert b" 200 " in await answer(reader)
        assert await rest(silent[0][0]) == b""
        visitor.leave()


async def test_places_are_given_back(start: Start) -> None:
    async with start(FEW) as daemon:
        for _ in range(12):
            async with page(daemon.http, daemon.url) as one:
                await one.state()
        visitor = Visitor(daemon.url)
        for _ in range(12):
            reader, writer = await visitor.connect(b"nonsense\r\n\r\n")
            assert b" 400 " in await rest(reader)
            writer.close()
        async with page(daemon.http, daemon.url) as one:
            await one.state()


async def test_a_body_that_dribbles_into_a_route_that_reads_none_is_ended(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bramble.server.guest.BODY_SECONDS", 0.3)
    async with start(["server.limits.idle=60"]) as daemon:
        visitor = Visitor(daemon.url)
        body = (
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{"
        )
        reader, _ = await visitor.connect(body)
        assert await rest(reader) == b""
        visitor.leave()


async def test_a_large_body_may_take_longer_as_long_as_it_comes(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bramble.server.guest.BODY_SECONDS", 0.3)
    monkeypatch.setattr("bramble.server.guest.BODY_RATE", 1000)
    monkeypatch.setattr("bramble.server.body.BODY_RATE", 1000)
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n\r\n"
    async with start(["server.limits.idle=60"]) as daemon:
        visitor = Visitor(daemon.url)
        reader, writer = await visitor.connect(head)
        for _ in range(9):
            writer.write(b"[" * 1000)
            await asyncio.sleep(0.1)  # three times the deadline, at ten times the rate
        assert b" 400 " in await answer(reader)
        reader, writer = await visitor.connect(head)
        await asyncio.sleep(0.1)
        writer.write(b"[" * 1000)
        began = asyncio.get_running_loop().time()
        assert await rest(reader) == b""
        assert 0.9 < asyncio.get_running_loop().time() - began < 5
        visitor.leave()
