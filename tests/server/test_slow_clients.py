"""Clients that read slowly or not at all: nobody else is held up, and the deaf are dropped in the end."""

import asyncio
import json
import socket

import psutil
import pytest
from aiohttp import ClientTimeout

from bramble.server import listen
from tests.conftest import Start
from tests.daemons import DEADLINE, Running
from tests.page import page

LONG = ["chat.max_tokens=100000"]
"""Answers of 1 MB: far more than a connection buffers."""


async def until_idle(daemon: Running) -> None:
    async with asyncio.timeout(DEADLINE):
        while daemon.daemon.scheduler.running:
            await asyncio.sleep(0.01)


async def test_a_page_that_reads_nothing_keeps_no_slot(start: Start) -> None:
    settings = [*LONG, "engine.slots=2"]
    async with start(settings) as daemon, page(daemon.http, daemon.url) as deaf:
        for ref in range(8):
            await deaf.send("say", ref=f"{ref}", conversation=None, text="say 100000")
        async with page(daemon.http, daemon.url) as one:
            done, _ = await one.ask("say 100")
            assert done["n"] == 100
        await until_idle(daemon)
        answers = [(await deaf.until("done"))["answer"] for _ in range(8)]
        whole = "".join(f"{n}字 " for n in range(100000))
        assert [deaf.text(answer) == whole for answer in answers] == [True] * 8


async def test_an_api_client_that_reads_nothing_keeps_no_slot(start: Start) -> None:
    async with start([*LONG, "engine.slots=1"]) as daemon:
        deaf = await ask_and_read_nothing(daemon)
        await until_idle(daemon)
        async with page(daemon.http, daemon.url) as one:
            done, _ = await one.ask("say 100")
            assert done["n"] == 100
        deaf.close()


async def test_whoever_takes_nothing_for_too_long_is_dropped(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listen, "STUCK_MS", 500)
    async with start(LONG) as daemon:
        deaf = await ask_and_read_nothing(daemon)
        async with asyncio.timeout(DEADLINE):
            while deaf.getsockname() in connected():
                await asyncio.sleep(0.05)
        deaf.close()


async def test_a_page_that_does_not_answer_pings_is_dropped(
    daemon: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bramble.server.websocket.HEARTBEAT_SECONDS", 0.1)
    async with daemon.http.ws_connect(f"{daemon.url}/ws", autoping=False) as silent:
        async with asyncio.timeout(DEADLINE):
            while not silent.closed:
                await silent.receive()


async def test_a_body_that_never_ends_is_given_up(
    daemon: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bramble.server.body.BODY_SECONDS", 0.1)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(daemon.url.rsplit(":")[-1]))
    writer.write(
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{"
    )
    async with asyncio.timeout(DEADLINE):
        assert b" 408 " in await reader.readline()
    writer.close()
    await writer.wait_closed()


async def test_a_client_that_leaves_frees_its_slot(daemon: Running) -> None:
    body = {"messages": [{"role": "user", "content": "slow 10000 0.01"}]}
    for stream in (False, True):
        with pytest.raises(TimeoutError):
            async with daemon.http.post(
                f"{daemon.url}/v1/chat/completions",
                json=body | {"stream": stream},
                timeout=ClientTimeout(total=0.3),
            ) as response:
                await response.read()
        await until_idle(daemon)


def connected() -> list[tuple[str, int]]:
    """Whom this process has a connection with."""
    return [each.raddr for each in psutil.Process().net_connections("tcp4") if each.raddr]


async def ask_and_read_nothing(daemon: Running) -> socket.socket:
    """A stream of 1 MB is asked for on a connection that takes almost nothing."""
    body = json.dumps(
        {"messages": [{"role": "user", "content": "say 100000"}], "stream": True}
    ).encode()
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(deaf, ("127.0.0.1", int(daemon.url.rsplit(":")[-1])))
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    )
    await loop.sock_sendall(deaf, head.encode() + b"\r\n" + body)
    async with asyncio.timeout(DEADLINE):
        while not daemon.daemon.scheduler.running:
            await asyncio.sleep(0.001)
    return deaf
