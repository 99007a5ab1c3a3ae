"""One engine process and its socketpair, as asyncio sees them. Knows nothing of what the messages mean."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bramble.board import delegation
from bramble.engine import framing, oom, wire

log = logging.getLogger("bramble.engine")
KEEPING = 0.6
"""Part of the time to leave that may be spent on writing: the last piece of it may take a slow card long."""


class EngineSpec(msgspec.Struct, frozen=True):
    """What to run. `spin` is GOMP_SPINCOUNT: libgomp reads it once, so it is set before the process starts.

    `group` is the control group for engines, where there is one.
    """

    load: wire.Load | wire.LoadEmbedding
    spin: int
    command: tuple[str, ...] = (sys.executable, "-m", "bramble.engine")
    group: Path | None = None


@dataclass
class EngineProcess:
    """A running engine. Made by `spawn`."""

    _process: Process
    _pidfd: int
    _reader: asyncio.StreamReader
    _writer: asyncio.StreamWriter

    @classmethod
    async def spawn(cls, spec: EngineSpec) -> "EngineProcess":
        """Start the process with its end of a fresh socketpair as the last argument."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    *spec.command,
                    str(theirs.fileno()),
                    pass_fds=[theirs.fileno()],
                    stdin=DEVNULL,
                    stderr=PIPE,
                    start_new_session=True,  # a Ctrl-C in the terminal is the daemon's to handle
                    env=_environment(spec),
                )
        except BaseException:
            ours.close()
            raise
        oom.end_first(process.pid)  # from its first moment: memory may be what ended the one before
        _place(process.pid, spec.group)
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        return cls(process, os.pidfd_open(process.pid), reader, writer)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether it is known to be dead."""
        return self._process.returncode is not None

    def send(self, message: wire.ToEngine) -> None:
        """Queue a message; one for a dead engine goes nowhere."""
        if not self._writer.is_closing():
            self._writer.write(framing.frame(message))

    async def messages(self) -> AsyncIterator[wire.ToDaemon]:
        """What the engine says until its end closes. Raises ValueError or DecodeError on garbage."""
        try:
            while True:
                size = framing.body_size(await self._reader.readexactly(framing.HEADER_SIZE))
                yield framing.parse_to_daemon(await self._reader.readexactly(size))
        except (asyncio.IncompleteReadError, ConnectionError):
            return

    async def stderr_lines(self) -> AsyncIterator[str]:
        """What it prints to stderr, a line at a time, until it closes; over-long lines are cut."""
        stderr = self._process.stderr
        while stderr is not None:
            try:
                line = await stderr.readuntil(b"\n")
            except asyncio.LimitOverrunError as error:
                line = await stderr.readexactly(error.consumed)
            except asyncio.IncompleteReadError as error:
                line, stderr = error.partial, None
            text = line.decode("utf-8", "replace").strip()
            if text:
                yield text[:500]
        await self._process.wait()

    def kill(self) -> None:
        """SIGKILL, at once.

        Through a pidfd: `Process.kill` would reap a process that is dead already and lose its exit status.
        """
        if not self.ended:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    async def end(self, grace: float, *, keep: bool = True) -> None:
        """Ask it to leave; after `grace` seconds make it. Whether it may `keep` on disk what is hot meanwhile."""
        self.send(wire.Shutdown(grace * KEEPING if keep else 0.0))
        try:
            await asyncio.wait_for(self._process.wait(), grace)
        except TimeoutError:
            self.kill()
        await self.wait()

    async def wait(self) -> int:
        """Its exit status once it is gone (negative: the signal); closes the socket."""
        code = await self._process.wait()
        if not self._writer.is_closing():
            self._writer.close()
            os.close(self._pidfd)
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()
        return code


def _environment(spec: EngineSpec) -> dict[str, str]:
    # Without the second a failed assertion runs gdb on itself, which takes seconds.
    return {**os.environ, "GOMP_SPINCOUNT": str(spec.spin), "GGML_NO_BACKTRACE": "1"}


def _place(pid: int, group: Path | None) -> None:
    """Before it is told what to load: from there on its memory is counted where it should be."""
    if group is not None:
        try:
            delegation.place(pid, group)
        except OSError as error:
            log.warning("an engine stays in the daemon's control group: %s", error)


def describe(code: int) -> str:
    """A process's exit status in words."""
    if code >= 0:
        return f"exit status {code}"
    return f"killed by {signal.Signals(-code).name}"


async def together(*parts: Coroutine[object, object, None]) -> None:
    """Run until the first part returns or fails, then end the others."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
