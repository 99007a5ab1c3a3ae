"""`bramble serve`: sockets, signals and the log around one daemon, until somebody says stop."""

import asyncio
import logging
import resource
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from bramble import garbage, systemd
from bramble.app import Daemon
from bramble.board import delegation
from bramble.config import Config, Sources
from bramble.models.choice import chosen
from bramble.server.agent import Agent
from bramble.server.listen import listen, with_deadline
from bramble.specs import engine_spec

log = logging.getLogger("bramble")

OTHER_FILES = 256
"""Files, sockets and pipes that are open beside connections."""


async def serve(config: Config, model: Path, sources: Sources) -> int:
    """Run Bramble with this model until SIGTERM or SIGINT; returns the exit status.

    Raises CannotListen, CannotOpen.
    """
    _log_at(config.log_level)
    _allow_files(config.server.limits.connections)
    leave = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, leave.set)
    listeners = _listeners(config)
    spec = engine_spec(config, model, chosen(config), delegation.divide())
    daemon = Daemon(config, spec, listeners, sources=sources)
    agent = Agent(_for_balancer(config), config.server.allow, daemon.status.frame)
    # At a terminal it says that the terminal is gone.
    hangup = leave.set if sys.stdin is not None and sys.stdin.isatty() else daemon.reload
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hangup)
    await daemon.start()
    await agent.open()
    garbage.settle()
    scheme = "https" if daemon.tls else "http"
    print(f"Bramble is at {_addresses(scheme, config.server.host, listeners[0])}", flush=True)
    await _tell_setup_code(daemon)
    await leave.wait()
    agent.leave()
    await daemon.stop()
    agent.close()
    return 0


async def _tell_setup_code(daemon: Daemon) -> None:
    """Who reads the terminal or the log may become the admin; without a code everything else goes on all the same."""
    try:
        code = await daemon.keeper.setup_code()
    except OSError as error:
        log.error("there is no setup code, because it cannot be written: %s", error.strerror)
        return
    if code:
        log.warning("no admin password is set yet; the setup code is %s", code)
        print(f"To set the admin password, open it and give the setup code {code}", flush=True)


def _listeners(config: Config) -> list[socket.socket]:
    """The sockets that systemd passed, else one of our own."""
    passed = [with_deadline(each) for each in systemd.passed_sockets()]
    listeners = passed or [listen(config.server.host, config.server.port)]
    return [*listeners, *_for_ollama(config, listeners)]


def _for_ollama(config: Config, listeners: Sequence[socket.socket]) -> list[socket.socket]:
    """The second port, where one is wanted and not open already."""
    port = config.server.ollama_port
    if port == "none" or any(each.getsockname()[1] == port for each in listeners):
        return []
    return [listen(config.server.host, port, "server.ollama_port")]


def _for_balancer(config: Config) -> list[socket.socket]:
    """The port of the agent, where one is wanted; it cannot be one of the others."""
    port = config.server.agent_port
    return [] if port == "none" else [listen(config.server.host, port, "server.agent_port")]


def _addresses(scheme: str, host: str, listener: socket.socket) -> str:
    port = listener.getsockname()[1]
    if host != "*":
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/"
    name = socket.gethostname().partition(".")[0]
    return f"{scheme}://127.0.0.1:{port}/ (and {scheme}://{name}.local:{port}/ on your network)"


def _allow_files(connections: int) -> None:
    """Room for every connection: what a service may open at first is often 1,024 files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    need = connections + OTHER_FILES
    if soft < need:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(need, hard), hard))


def _log_at(level: str) -> None:
    journal = systemd.journal()
    plain = "%(message)s" if journal else "%(asctime)s %(levelname)s %(message)s"
    handler = journal or logging.StreamHandler()
    logging.basicConfig(level=level.upper(), format=plain, handlers=[handler])
    # aiohttp logs a traceback for each stranger who speaks no HTTP; our own faults are logged by `server.errors`.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
