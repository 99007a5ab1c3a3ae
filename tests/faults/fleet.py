"""Three replicas behind HAProxy, and then only one."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial

from aiohttp import ClientSession, CookieJar

from tests.faults.fault import BROKEN, Fault, LeftOut, Tally
from tests.faults.ground import unplanned
from tests.faults.people import question
from tests.fleet import HAPROXY, Balancer, balancer, places
from tests.page import page

AT_ONCE = 12
TURNS, TOKENS = 2, 12
PATIENCE = 120.0
"""Seconds for the next frame: what one replica is left with waits in its queue."""
AGAIN, AGAIN_SECONDS = 5, 0.3
"""How often a client asks once more what was not answered, as the SDKs do, and how soon."""
SETTINGS = (
    f"chat.max_tokens={TOKENS}",
    "engine.context=2048",
    "engine.threads=1",
    "chat.temperature=0",
)


class Fleet(Fault):
    """200 conversations of two turns through HAProxy, half by the API and half by the page, twelve at once. After a
    third of them one replica's daemon is killed, after two thirds another is drained.

    Nobody is without an answer after asking again, what the drained one was answering is finished, and nobody new goes
    there. p95: until a turn is answered.
    """

    name, full, few, timed = "fleet", 200, 9, "turn"

    async def inflict(self, tally: Tally, tries: int) -> None:
        """A conversation is a try."""
        if HAPROXY is None:
            raise LeftOut("it needs haproxy")
        replicas = places(3)
        async with AsyncExitStack() as stack:
            live = [
                stack.enter_context(self.ground.daemon(*SETTINGS, *place.settings))
                for place in replicas
            ]
            for each in live:
                await asyncio.to_thread(each.until_ready)
            front = await stack.enter_async_context(balancer(self.ground.new_folder(), replicas))
            for place in replicas:
                await front.until(place.name, "UP")
            third = max(tries // 3, 1)
            self._url, self._again, room = front.url, 0, asyncio.Semaphore(min(AT_ONCE, third))

            async def one(number: int) -> None:
                async with room:
                    if number == third:
                        live[0].process.kill()
                    if number == 2 * third:
                        await front.drain(replicas[1].name)
                    with tally.attempt():
                        await (self._by_api if number % 2 else self._by_page)(tally)

            await asyncio.gather(*map(one, range(tries)))
            await self._only_the_last_is_used(front, tally, [place.name for place in replicas])
            for each in live[1:]:
                for words in unplanned(each):
                    tally.problem(words)
        tally.figures.append(f"asked again {self._again} times")

    async def _only_the_last_is_used(self, front: Balancer, tally: Tally, names: list[str]) -> None:
        """Whoever comes now, comes there."""
        before = {name: int((await front.told(name))["stot"]) for name in names}
        for _ in range(5):
            await self._by_api(tally)
        after = {name: int((await front.told(name))["stot"]) for name in names}
        new = [after[name] - before[name] for name in names]
        if new[:2] != [0, 0] or new[2] < 5 * TURNS:
            tally.problem(f"new connections went to all but the last, too: {new}")

    async def _by_api(self, tally: Tally) -> None:
        messages = list[dict[str, str]]()
        async with ClientSession() as http:
            for _ in range(TURNS):
                messages.append({"role": "user", "content": question()})
                body: dict[str, object] = {
                    "messages": messages,
                    "max_tokens": TOKENS,
                    "stream": True,
                }
                text = await self._timed(tally, partial(self._streamed, http, body))
                messages.append({"role": "assistant", "content": text})

    async def _streamed(self, http: ClientSession, body: dict[str, object]) -> str:
        """One answer to its end."""
        async with http.post(f"{self._url}/v1/chat/completions", json=body) as response:
            assert response.status == 200, await response.text()
            lines = (await response.read()).decode().split("\n\n")
        assert lines[-2] == "data: [DONE]", lines[-2:]
        choices = [json.loads(line.removeprefix("data: "))["choices"] for line in lines[:-2]]
        return "".join(each[0]["delta"].get("content") or "" for each in choices if each)

    async def _by_page(self, tally: Tally) -> None:
        """A browser; where its replica is gone its conversations are, too, until that is back."""
        async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as http:
            for _ in range(TURNS):
                await self._timed(tally, partial(self._said, http))

    async def _said(self, http: ClientSession) -> str:
        async with page(http, self._url, patience=PATIENCE) as one:
            done, text = await one.ask(question())
            assert done["reason"] in ("stop", "length"), done
            return text

    async def _timed(self, tally: Tally, ask: Callable[[], Awaitable[str]]) -> str:
        """Ask again where it broke off; the last time it may fail. Raises what that does."""
        began = time.monotonic()
        for _ in range(AGAIN):
            try:
                text = await ask()
            except BROKEN:
                self._again += 1
                await asyncio.sleep(AGAIN_SECONDS)
            else:
                tally.seconds.append(time.monotonic() - began)
                return text
        return await ask()
