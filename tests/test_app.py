"""The whole daemon as a process: how it starts, what it says when it cannot, how it stops."""

import asyncio
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
from aiohttp import ClientSession

from tests.daemons import DEADLINE, SOMEBODY, Live
from tests.page import page

STOP_SECONDS = 10.0
START_SECONDS = 2.0
"""Generous for a loaded machine; HTTP is up in less than half a second on an idle one."""


@pytest.fixture
def own(starter: Path, tmp_path: Path) -> Iterator[Live]:
    """A daemon that the test may stop."""
    live = Live(tmp_path, f"engine.model={starter}")
    yield live
    live.end()


async def wait_for(process: subprocess.Popen[str], seconds: float) -> int:
    return await asyncio.to_thread(process.wait, seconds)


async def ready(http: ClientSession, url: str) -> None:
    async with asyncio.timeout(60):
        while True:
            async with http.get(f"{url}/readyz") as response:
                if response.status == 200:
                    return
            await asyncio.sleep(0.05)


async def test_sigterm_lets_the_answer_end_and_leaves(own: Live) -> None:
    async with ClientSession() as http, page(http, own.url) as one:
        said = await one.say("Say yes.")
        await one.piece()
        began = time.monotonic()
        own.process.terminate()
        done = await one.until("done", answer=said["answer"])
        assert done["reason"] in ("stop", "length", "error")
        assert await wait_for(own.process, STOP_SECONDS) == 0
        assert time.monotonic() - began < STOP_SECONDS


async def test_an_answer_past_the_drain_is_ended_told_and_stored(
    starter: Path, tmp_path: Path
) -> None:
    settings = [f"engine.model={starter}", "server.drain=0"]
    live = Live(tmp_path, *settings)
    async with ClientSession(headers=SOMEBODY) as http, page(http, live.url) as one:
        said = await one.say("Tell me a very long story of a thousand words about a whale.")
        await one.piece()
        live.process.terminate()
        assert (await one.until("error", answer=said["answer"]))["code"] == "stopping"
        await one.until("done", answer=said["answer"], reason="error")
        assert await wait_for(live.process, STOP_SECONDS) == 0
        live.end()
    live = Live(tmp_path, *settings)
    async with ClientSession(headers=SOMEBODY) as http, page(http, live.url) as two:
        stored = (await two.open(said["conversation"]))["messages"][-1]
    live.end()
    assert (stored["status"], stored["text"]) == ("interrupted", one.text(said["answer"]))


async def test_nothing_is_left_running(own: Live) -> None:
    async with ClientSession() as http:
        await ready(http, own.url)
    children = psutil.Process(own.process.pid).children(recursive=True)
    assert children
    own.end()
    assert psutil.wait_procs(children, timeout=5)[1] == []


async def test_while_loading_a_stop_takes_no_longer(own: Live) -> None:
    own.process.send_signal(signal.SIGINT)
    assert await wait_for(own.process, STOP_SECONDS) == 0


async def test_kill_9_of_the_engine_leaves_the_daemon_alone(own: Live) -> None:
    async with ClientSession() as http, page(http, own.url) as one:
        said = await one.say("Tell me a very long story about a whale.")
        await one.piece()
        (engine,) = psutil.Process(own.process.pid).children()
        engine.kill()
        await one.until("paused", answer=said["answer"])
        await one.until("piece", answer=said["answer"])
        await one.send("stop", answer=said["answer"])
        await one.until("done", reason="stopped")
        stored = (await one.open(said["conversation"]))["messages"][-1]
        assert stored["text"] == one.text(said["answer"])
        done, _ = await one.ask("Say yes.", said["conversation"])
        assert done["reason"] in ("stop", "length")
        assert own.process.poll() is None


def refuse(*settings: str) -> subprocess.CompletedProcess[str]:
    """Start a daemon that cannot start."""
    arguments = [f"--set={setting}" for setting in settings]
    return subprocess.run(
        [sys.executable, "-m", "bramble", "serve", *arguments],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )


def test_a_port_in_use_is_told_in_one_line(starter: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for host in ("127.0.0.1", "*"):
            refused = refuse(
                f"server.port={port}",
                f"server.host={host}",
                f"engine.model={starter}",
                f"state_dir={tmp_path}",
            )
            assert refused.returncode == 1
            (line,) = refused.stderr.splitlines()
            assert f"port {port}" in line
            assert "another program" in line


def test_a_store_that_cannot_be_opened_is_told(starter: Path, tmp_path: Path) -> None:
    (tmp_path / "bramble.sqlite").mkdir()
    refused = refuse("server.port=0", f"engine.model={starter}", f"state_dir={tmp_path}")
    assert refused.returncode == 1
    assert "bramble.sqlite" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("damage", ["truncated", "no GGUF", "empty"])
async def test_a_broken_model_is_told_and_the_page_is_up(
    starter: Path, tmp_path: Path, damage: str
) -> None:
    model = tmp_path / "broken.gguf"
    data = starter.read_bytes()[: 1 << 20]
    model.write_bytes({"truncated": data, "no GGUF": b"PK" + data, "empty": b""}[damage])
    live = Live(tmp_path / "state", f"engine.model={model}")
    async with ClientSession() as http, asyncio.timeout(60):
        while True:
            async with http.get(f"{live.url}/readyz") as response:
                assert response.status == 503
                body = await response.json()
            if body["status"] == "failed":
                break
            await asyncio.sleep(0.05)
        assert body["reason"]
        async with http.get(live.url) as response:
            assert response.status == 200
        async with page(http, live.url) as one:
            said = await one.say("Hello?")
            error = await one.until("error", answer=said["answer"])
            assert error["code"] == "model_unavailable"
            assert error["message"] == body["reason"]
    live.end()
    assert live.process.returncode == 0


def test_the_page_is_up_at_once(starter: Path, tmp_path: Path) -> None:
    began = time.monotonic()
    live = Live(tmp_path, f"engine.model={starter}")
    assert time.monotonic() - began < START_SECONDS
    live.end()


async def test_passed_sockets_are_used(starter: Path, tmp_path: Path) -> None:
    """As systemd passes them: from descriptor 3 on, LISTEN_FDS and LISTEN_PID set."""
    script = "exec 3<&$1 4<&$2; export LISTEN_FDS=2 LISTEN_PID=$$; exec ${@:3}"
    serve = (sys.executable, "-m", "bramble", "serve", "--set", f"engine.model={starter}")
    with ExitStack() as stack:
        listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in "ab"]
        numbers = [listener.fileno() for listener in listeners]
        process = await asyncio.create_subprocess_exec(
            *("bash", "-c", script, "passes", *map(str, numbers), *serve),
            *("--set", f"state_dir={tmp_path}"),
            pass_fds=numbers,
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        ports = [listener.getsockname()[1] for listener in listeners]
        assert f":{ports[0]}/" in (await process.stdout.readline()).decode()
        async with ClientSession() as http:
            for port in ports:
                async with http.get(f"http://127.0.0.1:{port}/healthz") as response:
                    assert response.status == 200
        process.terminate()
        async with asyncio.timeout(STOP_SECONDS):
            assert await process.wait() == 0
