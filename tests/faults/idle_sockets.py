"""A thousand pages that are open and do nothing."""

import asyncio
import random
from contextlib import AsyncExitStack

import psutil
from aiohttp import ClientSession, ClientWebSocketResponse, TCPConnector, WSMsgType

from tests.faults.fault import Fault, Tally
from tests.faults.ground import unplanned
from tests.faults.people import browser
from tests.page import page

SOCKETS, ADDRESSES, AT_ONCE = 1000, 10, 20
EACH = 40.0
"""KiB of the daemon's memory."""


class IdleSockets(Fault):
    """1,000 WebSockets from ten addresses stay open for ten minutes and say nothing.

    None is dropped, the daemon grows by at most 40 KiB for each, and somebody who comes then is answered.
    """

    name, full, few, minutes, slow = "idle-sockets", 1, 1, (10.0, 0.7), True

    async def inflict(self, tally: Tally, tries: int) -> None:
        """Open, wait, count."""
        with self.ground.daemon() as live, tally.attempt():
            daemon = psutil.Process(live.process.pid)
            async with browser() as http, page(http, live.url) as one, AsyncExitStack() as stack:
                await one.state(phase="ready")
                await one.ask("Say yes.")
                before, most = daemon.memory_info().rss, 0
                listening = list[asyncio.Task[None]]()
                for address in range(ADDRESSES):
                    local = (f"127.1.0.{1 + address}", 0)
                    client = ClientSession(connector=TCPConnector(limit=0, local_addr=local))
                    await stack.enter_async_context(client)
                    for _ in range(SOCKETS // ADDRESSES // AT_ONCE):
                        opened = [_open(client, live.url) for _ in range(AT_ONCE)]
                        sockets = await asyncio.gather(*opened)
                        listening += [asyncio.create_task(_listen(socket)) for socket in sockets]
                waiting = asyncio.get_running_loop().time() + self.seconds
                while asyncio.get_running_loop().time() < waiting:
                    await asyncio.sleep(2)
                    await one.send("ping")
                    await one.until("pong")
                    most = max(most, daemon.memory_info().rss)
                tally.lose(sum(task.done() for task in listening), "sockets that were dropped")
                await one.ask("Say yes.")
                for task in listening:
                    task.cancel()
                await asyncio.gather(*listening, return_exceptions=True)
            tally.bound("each", (most - before) / 1024 / SOCKETS, EACH, "KiB")
            for words in unplanned(live):
                tally.problem(words)


async def _open(client: ClientSession, url: str) -> ClientWebSocketResponse:
    return await client.ws_connect(f"{url}/ws?me=idle{random.randrange(10**9)}")


async def _listen(socket: ClientWebSocketResponse) -> None:
    """Until it is closed; pings are answered by the way."""
    while (await socket.receive()).type is WSMsgType.TEXT:
        pass
