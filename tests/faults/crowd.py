"""More people than there is room for."""

import asyncio
import time
from collections import Counter

from aiohttp import ClientSession, TCPConnector

from tests.daemons import Live
from tests.faults.fault import Fault, Tally
from tests.faults.ground import unplanned

SLOTS, WAITING, OVER, PEOPLE = 4, 64, 200, 16
REFUSED = 0.1
LONG, SHORT = 900, 12
"""Tokens of the answers that take the slots, and of those that wait."""
NO_END = {2: -100}
"""The starter's end of a turn: nobody finishes early."""
AT_ONCE = 10
"""Requests over the bound that come in the same moment."""
SETTINGS = (
    f"engine.slots={SLOTS}",
    "engine.context=8192",
    f"queue.waiting={WAITING}",
    "server.limits.per_address=1024",
)


class Crowd(Fault):
    """Every slot is taken, 16 people have 64 requests waiting, and 200 more come, ten in the same moment.

    The 200 are refused within 100 ms, with Retry-After; the 64 are all answered, in turns: of nobody are more than two
    answers begun before those of somebody else who waits. p95: until one is refused.
    """

    name, full, few, timed, slow = "crowd", 1, 1, "refusal", True

    async def inflict(self, tally: Tally, tries: int) -> None:
        """One crowd; a refusal is a try."""
        with self.ground.daemon(*SETTINGS) as live:
            await _ready(live)
            begun = list[int]()
            first = [asyncio.create_task(_ask(live, 800 + n, LONG, [])) for n in range(SLOTS)]
            await _until(live, running=SLOTS)
            waiting = list[asyncio.Task[int]]()
            for number in range(WAITING):
                person = number // (
                    WAITING // PEOPLE
                )  # one after the other has all theirs in the queue
                waiting.append(asyncio.create_task(_ask(live, person, SHORT, begun)))
            await _until(live, waiting=WAITING)
            await self._refused(live, tally)
            for task in first:
                task.cancel()  # now there is room
            statuses = await asyncio.gather(*waiting)
            tally.lose(sum(each != 200 for each in statuses), "requests that waited in vain")
            _judge(begun, tally)
            for words in unplanned(live):
                tally.problem(words)

    async def _refused(self, live: Live, tally: Tally) -> None:
        for start in range(0, OVER, AT_ONCE):
            refusals = await asyncio.gather(*(_over(live, 100 + start + n) for n in range(AT_ONCE)))
            for status, retry_after, seconds in refusals:
                with tally.attempt():
                    assert status == 503, f"status {status}"
                    assert int(retry_after or 0) >= 1, f"Retry-After {retry_after}"
                    tally.seconds.append(seconds)
        tally.bound("longest refusal", max(tally.seconds, default=9.0), REFUSED, "s")


def _judge(begun: list[int], tally: Tally) -> None:
    """`begun` are people in the order in which their answers began."""
    assert len(begun) == WAITING, f"{len(begun)} began"
    counts, each = Counter[int](), WAITING // PEOPLE
    for person in begun:
        counts[person] += 1
        least = min(counts[other] for other in range(PEOPLE))
        if counts[person] > least + 2:
            tally.problem(f"person {person} is {counts[person] - least} answers ahead: {begun}")
            return
    assert all(count == each for count in counts.values()), counts


def _body(text: str, tokens: int) -> dict[str, object]:
    message = {"role": "user", "content": text}
    return {"messages": [message], "max_tokens": tokens, "stream": True, "logit_bias": NO_END}


def _client(person: int) -> ClientSession:
    """Somebody with an address of their own: that is who they are in the queue."""
    local = (f"127.2.{person // 200}.{1 + person % 200}", 0)
    return ClientSession(connector=TCPConnector(local_addr=local))


async def _ask(live: Live, person: int, tokens: int, begun: list[int]) -> int:
    """Wait for an answer and read it; notes who it is for when it begins. Returns the status."""
    url, body = f"{live.url}/v1/chat/completions", _body(f"Tell {person} a story.", tokens)
    async with _client(person) as http, http.post(url, json=body) as response:
        begun.append(person)
        text = await response.text()
        assert "[DONE]" in text, text
        return response.status


async def _over(live: Live, person: int) -> tuple[int, str | None, float]:
    """Ask where nobody is let in any more: status, Retry-After, seconds."""
    async with _client(person) as http:
        async with http.get(f"{live.url}/healthz") as response:  # the connection is there already
            await response.read()
        began = time.monotonic()
        url = f"{live.url}/v1/chat/completions"
        async with http.post(url, json=_body("Hello", 8)) as response:
            await response.read()
            return response.status, response.headers.get("Retry-After"), time.monotonic() - began


async def _ready(live: Live) -> None:
    async with ClientSession() as http, asyncio.timeout(60):
        while True:
            async with http.get(f"{live.url}/readyz") as response:
                if response.status == 200:
                    return
            await asyncio.sleep(0.05)


async def _until(live: Live, **counts: int) -> None:
    """Wait until so many run, or wait."""
    async with ClientSession() as http, asyncio.timeout(20):
        while True:
            async with http.get(f"{live.url}/metrics") as response:
                text = await response.text()
            if all(f"bramble_{name} {count}" in text for name, count in counts.items()):
                return
            await asyncio.sleep(0.01)
