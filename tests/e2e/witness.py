"""Stands between browsers and a daemon and writes down what was asked and answered. /kittens is a page of its own.

So a name can be made to point elsewhere: the same address is first the attacker's page, then the appliance.
"""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

KITTENS = "<!doctype html><title>Kittens</title><body></body>"
SECONDS = 3.0
"""That a request may take to come, and to be answered."""
CUT = 1

_REQUEST = re.compile(rb"([A-Z]+) (\S+) HTTP/1\.1\r\n")
_ORIGIN = re.compile(rb"\r\nOrigin: (\S+)\r\n", re.IGNORECASE)
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
_PAGE = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nCache-Control: no-store\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(KITTENS), KITTENS.encode())
)


@dataclass
class Exchange:
    """A request, and the status of its answer: 0 before it is there, CUT where it did not come."""

    method: str
    path: str
    origin: str
    status: int = 0


class Witness:
    """Passes bytes on to the daemon at port `there`; `seen` is what was asked since it was last emptied."""

    def __init__(self, there: int) -> None:
        self.port = 0
        self.seen: list[Exchange] = []
        self._there = there

    async def settled(self) -> list[Exchange]:
        """What was asked, once there is something and all of it is answered, or will not be."""
        with suppress(TimeoutError):
            async with asyncio.timeout(SECONDS):
                while not self.seen or not all(each.status for each in self.seen):
                    await asyncio.sleep(0.005)
        return [*self.seen]

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection. A browser asks on it only once the answer before is whole."""
        there = await asyncio.open_connection("127.0.0.1", self._there)
        asked: list[Exchange] = []
        with suppress(OSError):
            await asyncio.gather(
                self._ask(reader, there[1], writer, asked), _answer(there[0], writer, asked)
            )
        for each in asked:
            each.status = CUT

    async def _ask(
        self,
        reader: asyncio.StreamReader,
        there: asyncio.StreamWriter,
        back: asyncio.StreamWriter,
        asked: list[Exchange],
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if request := _REQUEST.match(data):
                    if request[2] == b"/kittens":
                        back.write(_PAGE)
                        continue
                    origin = _ORIGIN.search(data)
                    parts = (request[1], request[2], origin[1] if origin else b"")
                    method, path, page = (part.decode() for part in parts)
                    asked.append(Exchange(method, path, page))
                    self.seen.append(asked[-1])
                there.write(data)
                await there.drain()
        there.close()


async def _answer(
    there: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: list[Exchange]
) -> None:
    with suppress(OSError):
        while data := await there.read(65536):
            if (status := _STATUS.match(data)) and asked:
                asked.pop(0).status = int(status[1])
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def witness(url: str) -> AsyncGenerator[Witness]:
    """One in front of the daemon at `url`."""
    witness = Witness(int(url.rpartition(":")[2]))
    server = await asyncio.start_server(witness.carry, "127.0.0.1", 0)
    async with server:
        witness.port = server.sockets[0].getsockname()[1]
        yield witness
        server.close()
