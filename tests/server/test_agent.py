"""What a load balancer is told: a line of HAProxy's agent-check over a real socket."""

import asyncio
import signal
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from aiohttp import ClientSession

from bramble.config import Config, Network
from bramble.server.agent import Agent, weight
from bramble.server.frames import State
from bramble.server.listen import listen
from tests.daemons import Live, free_port

IDLE = State(
    phase="ready", fraction=1.0, reason="", hint="", model="m", context=8, running=0, waiting=0,
    slots=4, guard=None,
)  # fmt: skip


@asynccontextmanager
async def agent(
    state: State, allow: tuple[Network, ...] = Config().server.allow
) -> AsyncGenerator[tuple[Agent, int]]:
    with listen("127.0.0.1", 0) as listener:
        one = Agent([listener], allow, lambda: state)
        await one.open()
        yield one, listener.getsockname()[1]
        one.close()


async def told(port: int) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    line = await reader.read()
    writer.close()
    return line.decode()


@pytest.mark.parametrize(
    ("running", "waiting", "percent"),
    [(0, 0, 100), (4, 0, 100), (4, 4, 50), (4, 12, 25), (4, 5000, 1)],
)
def test_the_busier_the_fewer_are_sent(running: int, waiting: int, percent: int) -> None:
    assert weight(msgspec.structs.replace(IDLE, running=running, waiting=waiting)) == percent


async def test_one_that_answers_is_up_with_its_weight() -> None:
    async with agent(IDLE) as (_, port):
        assert await told(port) == "up 100%\n"


@pytest.mark.parametrize("phase", ["starting", "loading", "restarting", "failed", "stopped"])
async def test_one_without_a_model_is_down(phase: str) -> None:
    async with agent(msgspec.structs.replace(IDLE, phase=phase, reason="secret")) as (_, port):
        assert await told(port) == f"down # {phase}\n"


async def test_one_at_rest_wakes_for_whoever_comes() -> None:
    async with agent(msgspec.structs.replace(IDLE, phase="resting")) as (_, port):
        assert (await told(port)).startswith("up")


async def test_one_that_leaves_takes_nobody_new() -> None:
    async with agent(IDLE) as (one, port):
        one.leave()
        assert await told(port) == "down # leaving\n"


async def test_strangers_are_told_nothing() -> None:
    async with agent(IDLE, allow=()) as (_, port):
        assert await told(port) == ""


async def test_a_balancer_that_hangs_up_harms_nobody() -> None:
    async with agent(IDLE) as (_, port):
        for _ in range(50):
            with socket.create_connection(("127.0.0.1", port)) as one:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        assert await told(port) == "up 100%\n"


async def test_a_daemon_that_is_stopped_says_so_while_it_finishes(
    starter: Path, tmp_path: Path
) -> None:
    port = free_port()
    live = Live(tmp_path / "state", f"engine.model={starter}", f"server.agent_port={port}")
    try:
        await asyncio.to_thread(live.until_ready)
        assert await told(port) == "up 100%\n"
        body = {"messages": [{"role": "user", "content": "Tell me a long story."}], "stream": True}
        async with (
            ClientSession() as http,
            http.post(f"{live.url}/v1/chat/completions", json=body) as answer,
        ):
            await answer.content.readline()
            assert await told(port) == "up 100%\n"
            live.process.send_signal(signal.SIGTERM)
            while (line := await told(port)).startswith("up"):
                await asyncio.sleep(0.01)
            assert line == "down # leaving\n"
    finally:
        live.end()
