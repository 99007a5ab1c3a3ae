"""People who write while something happens to Bramble, and remember what they were told is kept."""

import asyncio
import random
import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress

from aiohttp import ClientError, ClientSession

from tests.page import Closed, Page, page

SUBJECTS = "a whale, the moon, an old clock, bread, a lighthouse, the desert, a violin".split(", ")
CUT_OFF = (Closed, ClientError, ConnectionError)
AGAIN_SECONDS = 0.05


def question() -> str:
    """Something with a long answer, never the same twice."""
    return (
        f"Tell me a long story about {random.choice(SUBJECTS)}, number {random.randrange(10**9)}."
    )


@asynccontextmanager
async def browser(me: str = "") -> AsyncGenerator[ClientSession, None]:
    """A browser; with the same name it is the same owner of its conversations again."""
    async with ClientSession(headers={"Cookie": f"bramble={me or uuid.uuid4().hex}"}) as http:
        yield http


class Writer:
    """Writes one message after the other, reads a little of each answer, and comes back where it was cut off."""

    def __init__(self, size: int = 0, *, reads: bool = False) -> None:
        self._size, self._reads = size, reads
        self._me = uuid.uuid4().hex
        self._pending: tuple[str, str] | None = None
        self.said: dict[str, str] = {}
        """All that it said, by ref."""
        self.acknowledged: list[str] = []
        """The texts of which it was told that they are stored."""

    async def write(self, url: str) -> None:
        """Write until the daemon is gone; what was not acknowledged is said again the next time."""
        with suppress(*CUT_OFF):
            async with browser(self._me) as http, page(http, url, self._me) as one:
                while True:
                    await self._say(one)

    async def _say(self, one: Page) -> None:
        ref, text = self._pending = self._pending or (uuid.uuid4().hex, self._text())
        self.said[ref] = text
        await one.send("say", ref=ref, text=text)
        while (frame := await one.receive())["type"] != "said" or frame["ref"] != ref:
            if frame["type"] == "error" and frame["ref"] == ref:
                await asyncio.sleep(AGAIN_SECONDS)
                return
        self.acknowledged.append(text)
        self._pending = None
        if self._reads:
            with suppress(TimeoutError):
                await one.until("done", answer=frame["answer"])
        elif frame["answer"] is not None:
            await one.send("stop", answer=frame["answer"])

    def _text(self) -> str:
        return question() + "".join(random.choices("abcdefgh ", k=self._size))


@asynccontextmanager
async def writing(writers: Sequence[Writer], url: str) -> AsyncGenerator[None, None]:
    """All of them write meanwhile; whoever is not cut off goes at the end."""
    tasks = [asyncio.create_task(writer.write(url)) for writer in writers]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def acknowledged(writers: Sequence[Writer], count: int, seconds: float) -> None:
    """Wait until they were told so often that something is stored. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while sum(len(writer.acknowledged) for writer in writers) < count:
            await asyncio.sleep(0.005)
