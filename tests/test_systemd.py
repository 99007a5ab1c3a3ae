"""systemd's manners, against a real notification socket; and what happens where there is none."""

import asyncio
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bramble import systemd
from bramble.engine.client import Phase
from tests.conftest import Start
from tests.daemons import DEADLINE, running
from tests.page import page


class Manager:
    """systemd's end of NOTIFY_SOCKET."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.told: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)

    def until(self, wanted: Callable[[str], bool]) -> str:
        """Wait for a message; returns it."""
        deadline = time.monotonic() + DEADLINE
        while True:
            left = deadline - time.monotonic()
            assert select.select([self._socket], [], [], max(left, 0))[0], self.told
            self.told.append(self._socket.recv(4096).decode())
            if wanted(self.told[-1]):
                return self.told[-1]

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(tmp_path / "notify")
    yield manager
    manager.close()


def serve(
    starter: Path, state_dir: Path, stdin: int = subprocess.DEVNULL, **environment: str
) -> subprocess.Popen[str]:
    settings = ["server.port=0", f"engine.model={starter}", f"state_dir={state_dir}"]
    return subprocess.Popen(
        [sys.executable, "-m", "bramble", "serve", *(f"--set={each}" for each in settings)],
        env=os.environ | environment,
        stdin=stdin,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_it_tells_its_life(manager: Manager, starter: Path, tmp_path: Path) -> None:
    """READY when the page is up, the state in words, a fed watchdog, STOPPING."""
    process = serve(starter, tmp_path, NOTIFY_SOCKET=manager.path, WATCHDOG_USEC="100000")
    manager.until(lambda message: message == "READY=1")
    manager.until(lambda message: message.startswith("STATUS=") and "0 answering" in message)
    for _ in range(3):
        manager.until(lambda message: message == "WATCHDOG=1")
    assert any(message.startswith("STATUS=") for message in manager.told)
    process.terminate()
    manager.until(lambda message: message == "STOPPING=1")
    process.communicate(timeout=DEADLINE)
    assert process.returncode == 0


async def test_a_reload_counts_at_once_and_disturbs_no_answer(
    manager: Manager,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", manager.path)
    caplog.set_level("INFO", "bramble")
    file = tmp_path / "config.yaml"
    file.write_text("chat: {system_prompt: You are terse.}\n")
    async with (
        running(tmp_path / "state", config=file) as daemon,
        page(daemon.http, daemon.url) as one,
    ):
        manager.until(lambda message: message == "READY=1")
        said = await one.say("slow 40 0.02")
        await one.piece(2)
        file.write_text("chat: {system_prompt: You are rude.}\nengine: {context: 1024}\n")
        daemon.daemon.reload()
        await told(caplog, "after the next start also engine.context")
        assert manager.until(lambda message: "RELOADING=1" in message).count("MONOTONIC_USEC=") == 1
        manager.until(lambda message: message == "READY=1")
        await one.until("done", answer=said["answer"], reason="stop")
        assert "You are rude." in (await one.ask("turns"))[1]
        file.write_text("chat: {system_prompt: 7, sistem: 8}\n")
        daemon.daemon.reload()
        await told(caplog, "all stays as it was")
        assert "You are rude." in (await one.ask("turns"))[1]


async def told(caplog: pytest.LogCaptureFixture, words: str) -> None:
    async with asyncio.timeout(DEADLINE):
        while words not in caplog.text:
            await asyncio.sleep(0.01)


def test_a_hangup_is_a_reload(manager: Manager, starter: Path, tmp_path: Path) -> None:
    process = serve(starter, tmp_path, NOTIFY_SOCKET=manager.path)
    manager.until(lambda message: message.startswith("STATUS=") and "0 answering" in message)
    process.send_signal(signal.SIGHUP)
    manager.until(lambda message: message.startswith("RELOADING=1"))
    manager.until(lambda message: message == "READY=1")
    process.terminate()
    process.communicate(timeout=DEADLINE)
    assert process.returncode == 0


def test_a_hangup_of_its_terminal_ends_it(manager: Manager, starter: Path, tmp_path: Path) -> None:
    outer, inner = pty.openpty()
    process = serve(starter, tmp_path, inner, NOTIFY_SOCKET=manager.path)
    manager.until(lambda message: message.startswith("STATUS=") and "0 answering" in message)
    process.send_signal(signal.SIGHUP)
    manager.until(lambda message: message == "STOPPING=1")
    process.communicate(timeout=DEADLINE)
    assert process.returncode == 0
    for descriptor in (outer, inner):
        os.close(descriptor)


async def test_the_watchdog_is_fed_only_while_it_is_alive(
    manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", manager.path)
    monkeypatch.setenv("WATCHDOG_USEC", "20000")
    alive = [True, True, False, False, True]
    feeding = asyncio.create_task(systemd.feed_watchdog(lambda: alive.pop(0)))
    async with asyncio.timeout(DEADLINE):
        while alive:
            await asyncio.sleep(0.001)
    feeding.cancel()
    for _ in range(3):
        manager.until(lambda message: message == "WATCHDOG=1")
    manager.told.clear()
    systemd.notify("STATUS=end")
    manager.until(lambda message: message == "STATUS=end")
    assert manager.told == ["STATUS=end"]


async def test_a_watchdog_of_another_process_is_none_of_ours(
    manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", manager.path)
    monkeypatch.setenv("WATCHDOG_USEC", "1000")
    monkeypatch.setenv("WATCHDOG_PID", "1")
    async with asyncio.timeout(DEADLINE):
        await systemd.feed_watchdog(lambda: True)


async def test_an_engine_that_never_gets_anywhere_starves_the_watchdog(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with start(engine=["--slow-load"]) as daemon:
        await daemon.until(Phase.LOADING)
        assert daemon.daemon.status.is_moving()
        monkeypatch.setattr("bramble.server.status.STUCK_SECONDS", 0.0)
        assert not daemon.daemon.status.is_moving()


def test_the_journal_gets_a_handler_only_where_stderr_is_the_journal(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with (tmp_path / "stderr").open("w") as stderr:
        monkeypatch.setattr(sys, "stderr", stderr)
        assert systemd.journal() is None
        status = os.fstat(stderr.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        assert type(systemd.journal()).__name__ == "JournalHandler"


def test_without_systemd_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither without its variables nor without its package."""
    for name in ("NOTIFY_SOCKET", "LISTEN_FDS", "JOURNAL_STREAM", "WATCHDOG_USEC"):
        monkeypatch.delenv(name, raising=False)
    systemd.notify("READY=1")
    assert systemd.passed_sockets() == []
    for name in ("NOTIFY_SOCKET", "LISTEN_FDS"):
        monkeypatch.setenv(name, "1")
    for module in ("systemd", "systemd.daemon", "systemd.journal"):
        monkeypatch.setitem(sys.modules, module, None)
    systemd.notify("READY=1")
    assert systemd.passed_sockets() == []
