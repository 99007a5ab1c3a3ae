"""Five hundred connections that say what they want as slowly as they can."""

import asyncio
import random
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress

from tests.faults.fault import Fault, Tally, percentile
from tests.faults.ground import unplanned
from tests.faults.people import browser
from tests.page import page

CONNECTIONS, ADDRESSES = 500, 10
SHED = 20.0
SLOWER = 1.10
DRIBBLE = 2.0
"""Seconds between two bytes."""
PAUSE = 0.1
"""Seconds before one that was shed comes back."""
POST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
OPENINGS: Sequence[bytes] = (
    b"",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ",
    POST + b"Content-Length: 999\r\n\r\n[",
    POST + b"Content-Length: 2000000\r\n\r\n[",
    POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\n[\r\n",
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nSec-WebSocket-Key: ",
)


class SlowLoris(Fault):
    """500 connections from ten addresses open for a minute and dribble: nothing, heads, bodies, handshakes.

    Each is shed within 20 s, and comes back. The p95 of the time to the first word of people at the page grows by at
    most 10 % over that without them. p95: how long one of them is suffered.
    """

    name, full, few, minutes, timed, slow = "slow-loris", 1, 1, (1.0, 0.4), "shed after", True

    async def inflict(self, tally: Tally, tries: int) -> None:
        """People before, during and after."""
        with self.ground.daemon() as live, tally.attempt():
            port = int(live.url.rsplit(":")[-1])
            quiet, busy = list[float](), list[float]()
            await _people(live.url, self.seconds / 2, quiet)
            until = time.monotonic() + self.seconds
            lorises = [_dribble(port, number, until, tally) for number in range(CONNECTIONS)]
            await asyncio.gather(_people(live.url, self.seconds, busy), *lorises)
            await _people(live.url, self.seconds / 2, quiet)
            before, during = percentile(quiet, 0.95), percentile(busy, 0.95)
            tally.bound("longest", max(tally.seconds, default=0.0), SHED, "s")
            figure = (
                f"first word p95 {during * 1000:.0f} ms with, {before * 1000:.0f} ms without them"
            )
            tally.figures.append(f"{figure} ({len(busy)}, {len(quiet)} answers)")
            if self.ground.full and during > SLOWER * before:
                tally.problem(f"{figure}: {during / before:.2f} times as long")
            for words in unplanned(live):
                tally.problem(words)


async def _people(url: str, seconds: float, firsts: list[float]) -> None:
    """Somebody asks one short thing after the other; seconds to each first word."""
    until = time.monotonic() + seconds
    async with browser() as http, page(http, url) as one:
        await one.state(phase="ready")
        while time.monotonic() < until:
            began = time.monotonic()
            said = await one.say(f"Say the number {random.randrange(1000)}.")
            await one.piece()
            firsts.append(time.monotonic() - began)
            await one.send("stop", answer=said["answer"])
            await one.until("done", answer=said["answer"])


async def _dribble(port: int, number: int, until: float, tally: Tally) -> None:
    """One of them; it comes back when it was shed. Who is cut off by the end of the minute is not counted."""
    source = (f"127.1.0.{1 + number % ADDRESSES}", 0)
    opening = OPENINGS[number % len(OPENINGS)]
    await asyncio.sleep(random.uniform(0, DRIBBLE))
    while time.monotonic() < until:
        with suppress(ConnectionError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=source)
            began = time.monotonic()
            writer.write(opening)
            shed = asyncio.ensure_future(_shed(reader))
            while not shed.done() and (left := until + SHED - time.monotonic()) > 0:
                await asyncio.wait([shed], timeout=min(DRIBBLE, left))
                writer.write(uuid.uuid4().hex[:1].encode())
            tally.seconds.append(time.monotonic() - began)
            shed.cancel()
            writer.transport.abort()
        await asyncio.sleep(PAUSE)


async def _shed(reader: asyncio.StreamReader) -> None:
    with suppress(ConnectionError):
        while await reader.read(4096):
            pass
