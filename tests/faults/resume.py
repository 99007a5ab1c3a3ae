"""Clients that drop in the middle of an answer and come back for the rest."""

import random
import time

from aiohttp import ClientSession

from tests.faults.fault import Fault, Tally
from tests.faults.ground import unplanned
from tests.faults.people import browser, question
from tests.page import Page, page


class Resume(Fault):
    """A client vanishes at a random piece and resumes by number on a new connection, several times an answer.

    All parts together are the stored answer: no piece is lost, none comes twice. p95: from the new connection to its
    first piece, or to the end of the answer.
    """

    name, full, few, timed = "resume", 500, 6, "coming back"

    async def inflict(self, tally: Tally, tries: int) -> None:
        """Answers, until there were so many drops."""
        with self.ground.daemon("chat.max_tokens=120") as live:
            async with browser() as http, page(http, live.url) as one:
                await one.state(phase="ready")
                while tally.tries < tries:
                    await _answer(http, live.url, tally, tries)
                    self.ground.tell(f"{self.name}: {tally.tries}, {tally.lost} lost")
            for words in unplanned(live):
                tally.problem(words)


async def _answer(http: ClientSession, url: str, tally: Tally, tries: int) -> None:
    reader, over = Reader(), False
    async with page(http, url) as one:
        said = await one.say(question())
        over = await reader.read(one, said["answer"], random.randint(0, 20))
        one.vanish()
    while not over:
        with tally.attempt():
            began = time.monotonic()
            async with page(http, url) as one:
                await one.send("resume", answer=said["answer"], after=reader.n)
                over = await reader.read(one, said["answer"], 1)
                tally.seconds.append(time.monotonic() - began)
                most = random.randint(0, 20) if tally.tries < tries else 10**6
                over = over or await reader.read(one, said["answer"], most)
                one.vanish()
    async with page(http, url) as one:
        stored = (await one.open(said["conversation"]))["messages"][-1]["text"]
    tally.lose(reader.doubled, "pieces that came twice")
    tally.lose(int(stored != reader.text), "answers that are not what was shown")


class Reader:
    """Somebody who has read an answer up to piece `n`."""

    def __init__(self) -> None:
        self.n = self.doubled = 0
        self.text = ""

    async def read(self, one: Page, answer: int, most: int) -> bool:
        """Read up to so many frames with pieces; whether the answer is over."""
        while most:
            frame = await one.receive()
            assert frame["type"] != "error", frame
            if frame["type"] == "done" and frame["answer"] == answer:
                return True
            if frame["type"] == "piece":
                self.doubled += frame["n"] <= self.n
                self.n, self.text, most = frame["n"], self.text + frame["text"], most - 1
        return False
