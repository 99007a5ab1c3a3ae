"""A door for commands of this machine: a socket in `state_dir` that only its owner (and root) may open.

One request a connection, one line of JSON each way. It knows no command itself.
"""

import asyncio
import json
import logging
import os
import socket
import stat
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from bramble.errors import BrambleError

log = logging.getLogger("bramble")

NAME = "control"
LINE_LIMIT = 64 * 1024
REQUEST_SECONDS = 10.0
ANSWER_SECONDS = 600.0
"""A restore checks a whole file; the slowest cards read some 10 MB in a second."""

Command = Callable[[], Awaitable[str]]


class Failed(BrambleError):
    """The daemon could not do it; the message is its own."""


class Control:
    """Serves `commands` by name; each returns what the person at the terminal is told."""

    def __init__(self, folder: Path, commands: dict[str, Command]) -> None:
        self._folder, self._commands = folder, commands
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """From now on commands are taken."""
        (self._folder / NAME).unlink(missing_ok=True)  # of a daemon that was killed
        with _short(self._folder) as path:
            before = os.umask(0o177)
            try:
                self._server = await asyncio.start_unix_server(self._serve, path, limit=LINE_LIMIT)
            finally:
                os.umask(before)

    async def stop(self) -> None:
        """No command any more."""
        if self._server is not None:
            self._server.close()
            (self._folder / NAME).unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                line = await reader.readline()
            writer.write(json.dumps(await self._answer(line)).encode() + b"\n")
            await writer.drain()
        except (OSError, ValueError, TimeoutError) as error:
            log.info("a command was not heard to its end: %s", error)
        finally:
            writer.close()

    async def _answer(self, line: bytes) -> dict[str, str]:
        try:
            name = json.loads(line)["do"]
            command = self._commands[name]
        except (ValueError, KeyError, TypeError):
            return {"error": "This daemon does not know that command.", "hint": "Restart it."}
        log.info("asked at the control socket: %s", name)
        try:
            return {"told": await command()}
        except BrambleError as error:
            return {"error": error.message, "hint": error.hint}
        except Exception:
            log.exception("%s failed", name)
            return {"error": f"{name} failed inside Bramble.", "hint": "See the log."}


def ask(folder: Path, name: str) -> str | None:
    """Have the daemon do something; returns what it says, None where none is running. Raises Failed."""
    if not _is_there(folder / NAME):
        return None
    with socket.socket(socket.AF_UNIX) as connection, _short(folder) as path:
        connection.settimeout(ANSWER_SECONDS)
        try:
            connection.connect(path)
        except ConnectionRefusedError:
            return None  # a daemon that was killed left it
        except PermissionError as error:
            hint = "Run this as root, or as the user that `bramble serve` runs as."
            raise Failed("The running daemon takes no commands from you.", hint) from error
        connection.sendall(json.dumps({"do": name}).encode() + b"\n")
        with connection.makefile("rb") as answers:
            line = answers.readline()
    if not line:
        raise Failed("The daemon ended before it was done.", "See the log.")
    answer = json.loads(line)
    if "error" in answer:
        raise Failed(answer["error"], answer["hint"])
    return answer["told"]


def _is_there(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.stat().st_mode)
    except OSError:
        return False


@contextmanager
def _short(folder: Path) -> Generator[str]:
    """The socket's path in less than the 108 bytes that the kernel takes, however deep the folder."""
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{NAME}"
    finally:
        os.close(descriptor)
