"""Daemons for tests: one in this process with the fake engine, or the real command with the real model."""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE
from urllib.error import HTTPError
from urllib.request import urlopen

from aiohttp import ClientSession

from bramble.app import Daemon
from bramble.board.files import MACHINE
from bramble.config import Sources, load
from bramble.engine.client import EngineSpec, Phase
from bramble.server.listen import listen
from bramble.specs import engine_spec

FAKE_ENGINE = Path(__file__).parent / "fake_engine.py"
DEADLINE = 20.0
SOMEBODY = {"Cookie": "bramble=one-browser-that-comes-back"}
"""The owner that a daemon in this process knows its client as."""


@dataclass
class Running:
    """A daemon in this process, its address, and a client."""

    daemon: Daemon
    url: str
    http: ClientSession

    async def until(self, phase: Phase) -> None:
        """Wait until the engine is there."""
        async with asyncio.timeout(DEADLINE):
            while self.daemon.engine.state.phase is not phase:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def running(
    state_dir: Path,
    settings: Sequence[str] = (),
    engine: Sequence[str] = (),
    root: Path = MACHINE,
    config: Path | None = None,
    model: Path | None = None,
) -> AsyncGenerator[Running, None]:
    """A daemon with `NAME=VALUE` settings over the file `config` and a fake engine with these options.

    It runs on the board below `root`. With a `model` the engine is the real one.
    """
    options = ("log_level=debug", "engine.model=starter", f"state_dir={state_dir}", *settings)
    sources = Sources(config, options)
    loaded = load(config, options)
    spec = engine_spec(loaded, model or Path("fake.gguf"), "starter")
    if model is None:
        spec = EngineSpec(spec.load, spec.spin, (sys.executable, str(FAKE_ENGINE), *engine))
    with listen("127.0.0.1", 0) as listener:
        daemon = Daemon(loaded, spec, [listener], root, sources)
        await daemon.start()
        try:
            async with ClientSession(headers=SOMEBODY) as http:
                port = listener.getsockname()[1]
                yield Running(daemon, f"http://127.0.0.1:{port}", http)
        finally:
            await daemon.stop()


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Live:
    """`bramble serve` as people start it, on a free port; `under` is a command that runs the one behind it."""

    def __init__(self, state_dir: Path, *settings: str, under: Sequence[str] = ()) -> None:
        arguments = [
            f"--set={setting}"
            for setting in (
                "server.host=127.0.0.1",
                "server.port=0",
                f"state_dir={state_dir}",
                *settings,
            )
        ]
        state_dir.mkdir(exist_ok=True)
        self.log = state_dir / "log"
        self.ollama_url = ""
        with self.log.open("w") as log:
            command = [*under, sys.executable, "-m", "bramble", "serve", *arguments]
            self.process = subprocess.Popen(command, stdout=PIPE, stderr=log, text=True)
        assert self.process.stdout is not None
        first = self.process.stdout.readline()
        self.url = first.removeprefix("Bramble is at ").strip().rstrip("/")
        if not self.url.startswith("http://"):
            self.end()
            raise AssertionError(f"bramble serve said {first!r} and {self.log.read_text()!r}")

    def until_ready(self) -> str:
        """Wait until a model answers; returns the address."""
        deadline = time.monotonic() + 3 * DEADLINE
        while True:
            try:
                with urlopen(f"{self.url}/readyz"):
                    return self.url
            except HTTPError as error:
                assert time.monotonic() < deadline, error.read()
                time.sleep(0.05)

    def end(self) -> None:
        """Stop it as systemd would, where it still runs."""
        with self.process:
            self.process.terminate()
            self.process.wait(DEADLINE)
