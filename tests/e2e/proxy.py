"""A cable between page and daemon that a test can plug and pull: a TCP proxy on a port of its own."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress


class Cable:
    """Passes bytes on to a daemon. Pulled, it drops what runs and refuses what comes."""

    def __init__(self) -> None:
        self.url = ""
        self._port = 0
        self._pulled = True
        self._writers: set[asyncio.StreamWriter] = set()

    def pull(self) -> None:
        """Cut every connection, as a power cut would: no close frame, no goodbye."""
        self._pulled = True
        for writer in self._writers:
            writer.transport.abort()

    def plug(self, url: str) -> None:
        """Lead to the daemon at `url` from now on."""
        self._port = int(url.rpartition(":")[2])
        self._pulled = False

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        if self._pulled:
            writer.transport.abort()
            return
        try:
            there = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:  # nobody is at the other end
            writer.transport.abort()
            return
        both = {writer, there[1]}
        self._writers |= both
        with suppress(OSError):
            await asyncio.gather(_pump(reader, there[1]), _pump(there[0], writer))
            await asyncio.gather(*(each.wait_closed() for each in both))
        self._writers -= both


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def cable() -> AsyncGenerator[Cable]:
    """A cable that leads nowhere yet; the page opens `cable.url`."""
    cable = Cable()
    server = await asyncio.start_server(cable.carry, "127.0.0.1", 0)
    async with server:
        cable.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield cable
        cable.pull()
