"""The two servers, each with the same model, context, slots and threads: started, waited for, ended by id."""

import asyncio
import itertools
import os
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from aiohttp import ClientError, ClientSession, ClientTimeout
from msgspec import DecodeError, Struct
from msgspec.json import decode

from tests.bench.measure import Failed, Missing
from tests.bench.options import CONTEXT, SLOTS, Options

READY_SECONDS = 120.0
END_SECONDS = 30.0
BRAMBLE = ("-m", "bramble")
"""What Python runs."""

_numbers = itertools.count()


class State(Struct):
    """What Bramble's /readyz says while it is not ready."""

    status: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Server:
    """One that answers."""

    url: str
    pid: int

    def peak_mb(self) -> float:
        """The most memory that it and its children held, each at its own time, in MB (VmHWM)."""
        root = psutil.Process(self.pid)
        return sum(_high_water(each.pid) for each in (root, *root.children(recursive=True))) / 1e6


@asynccontextmanager
async def bramble(
    options: Options,
    *settings: str,
    context: int = CONTEXT,
    state: Path | None = None,
    model: Path | None = None,
    program: tuple[str, ...] = BRAMBLE,
) -> AsyncGenerator[Server, None]:
    """`bramble serve` of this Python, with `NAME=VALUE` settings. Without `state` it starts with an empty one."""
    port = _free_port()
    given = (
        "server.host=127.0.0.1",
        f"server.port={port}",
        f"engine.model={model or options.model}",
        f"engine.context={context}",
        f"engine.slots={SLOTS}",
        f"engine.threads={options.threads}",
        f"state_dir={state or _new_folder(options)}",
        *settings,
    )
    command = [sys.executable, *program, "serve", "--config", os.devnull]
    command += [f"--set={setting}" for setting in given]
    async with _served(options, command, port, "/readyz") as server:
        yield server


@asynccontextmanager
async def llama_server(
    options: Options, *arguments: str, model: Path | None = None
) -> AsyncGenerator[Server, None]:
    """The peer, with further arguments. Raises Missing where it is not here."""
    port = _free_port()
    command = [str(peer(options)), "-m", str(model or options.model), "--port", str(port)]
    command += ["-c", str(CONTEXT), "-np", str(SLOTS), "-t", str(options.threads), *arguments]
    async with _served(options, command, port, "/health") as server:
        yield server


def peer(options: Options, program: str = "llama-server") -> Path:
    """A program of the peer. Raises Missing."""
    if options.peer is None:
        raise Missing("no llama-server was named: --peer FILE or BRAMBLE_PEER")
    path = options.peer.parent / program if program != "llama-server" else options.peer
    if not path.is_file():
        raise Missing(f"{path} is not there: tests/bench/peer.sh builds it")
    return path


@asynccontextmanager
async def _served(
    options: Options, command: Sequence[str], port: int, path: str
) -> AsyncGenerator[Server, None]:
    log = options.folder / f"log-{next(_numbers)}"
    with log.open("w") as output:
        process = await asyncio.create_subprocess_exec(*command, stdout=output, stderr=output)
    try:
        url = f"http://127.0.0.1:{port}"
        await _ready(process, f"{url}{path}", log)
        yield Server(url, process.pid)
    finally:
        await _end(process)


async def _ready(process: Process, url: str, log: Path) -> None:
    async with ClientSession(timeout=ClientTimeout(total=5)) as http:
        with suppress(TimeoutError):
            async with asyncio.timeout(READY_SECONDS):
                while process.returncode is None:
                    with suppress(ClientError):
                        async with http.get(url) as response:
                            if response.status == 200:
                                return
                            _check(await response.read())
                    await asyncio.sleep(0.05)
    state = "was not ready in time" if process.returncode is None else "ended"
    last = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
    raise Failed(f"the server {state}; it said last:\n{last}")


def _check(answer: bytes) -> None:
    """Bramble runs on without a model that cannot be loaded, and says so. Raises Failed."""
    with suppress(DecodeError):
        state = decode(answer, type=State)
        if state.status == "failed":
            raise Failed(f"the server cannot use this model: {state.reason}")


async def _end(process: Process) -> None:
    """As systemd does: asked to stop, then killed. Waited for either way."""
    if process.returncode is None:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), END_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _new_folder(options: Options) -> Path:
    folder = options.folder / f"state-{next(_numbers)}"
    folder.mkdir()
    return folder


def _high_water(pid: int) -> int:
    """The most memory that a process ever held, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return (
        next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
        * 1024
    )
