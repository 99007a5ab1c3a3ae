"""A browser behind HAProxy: it keeps its replica, has another one meanwhile, and finds its conversations again."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from aiohttp import ClientSession, CookieJar
from yarl import URL

from tests.daemons import Live
from tests.fleet import HAPROXY, Balancer, Place, balancer, places
from tests.page import page

pytestmark = pytest.mark.skipif(
    HAPROXY is None, reason="needs haproxy, which tests/run.sh installs"
)
Start = Callable[[Place], Live]


@pytest.fixture
def start(starter: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts a replica, with what it kept before; ended at the end."""
    with ExitStack() as stack:

        def one(place: Place) -> Live:
            settings = (f"engine.model={starter}", "engine.threads=1", "chat.max_tokens=16")
            live = Live(tmp_path / place.name, *settings, *place.settings)
            stack.enter_context(_ended(live))
            live.until_ready()
            return live

        yield one


@contextmanager
def _ended(live: Live) -> Generator[None]:
    yield
    live.end()


@asynccontextmanager
async def browser() -> AsyncGenerator[ClientSession, None]:
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as http:
        yield http


async def listed(http: ClientSession, front: Balancer) -> list[str]:
    """The conversations that its page shows."""
    async with page(http, front.url) as one:
        await one.send("conversations", limit=20)
        return [each["conversation"] for each in (await one.until("listed"))["conversations"]]


async def where(http: ClientSession, front: Balancer) -> str:
    """The replica that a browser was told to come back to."""
    async with http.get(front.url) as response:
        assert response.status == 200
    return next(cookie.value for cookie in http.cookie_jar if cookie.key == "bramble_at")


async def test_it_finds_its_conversations_again_when_its_replica_is_back(
    start: Start, tmp_path: Path
) -> None:
    two = places(2)
    live = {place.name: await asyncio.to_thread(start, place) for place in two}
    async with balancer(tmp_path, two) as front, browser() as http:
        for place in two:
            await front.until(place.name, "UP")
        own = await where(http, front)
        async with page(http, front.url) as one:
            said = await one.say("Hello!")
            await one.until("done", answer=said["answer"])
        live[own].process.kill()
        await front.until(own, "DOWN")
        assert await listed(http, front) == []  # those of the other one
        assert await where(http, front) == own
        await asyncio.to_thread(start, next(place for place in two if place.name == own))
        await front.until(own, "UP")
        assert await listed(http, front) == [said["conversation"]]


async def test_new_people_are_spread_and_one_that_leaves_gets_none(
    start: Start, tmp_path: Path
) -> None:
    two = places(2)
    live = [await asyncio.to_thread(start, place) for place in two]
    async with balancer(tmp_path, two) as front:
        for place in two:
            await front.until(place.name, "UP")
        assert {await _newcomer(front) for _ in range(4)} == {"pi0", "pi1"}
        body = {"messages": [{"role": "user", "content": "Tell a long story."}], "stream": True}
        async with (
            ClientSession() as http,
            http.post(f"{live[0].url}/v1/chat/completions", json=body) as answer,
        ):
            await answer.content.readline()
            live[0].process.terminate()
            await front.until("pi0", "DOWN")
            assert {await _newcomer(front) for _ in range(4)} == {"pi1"}
            assert b"[DONE]" in await answer.read()


async def test_whoever_is_away_from_home_is_in_one_place(start: Start, tmp_path: Path) -> None:
    """While its replica is gone a browser has one of the others, not a different one for each request."""
    three = places(3)
    live = {place.name: await asyncio.to_thread(start, place) for place in three}
    async with balancer(tmp_path, three) as front, browser() as http:
        for place in three:
            await front.until(place.name, "UP")
        own = await where(http, front)
        assert await listed(http, front) == []
        live[own].process.kill()
        await front.until(own, "DOWN")
        async with page(http, front.url) as one:
            said = await one.say("Hello!")
            await one.until("done", answer=said["answer"])
        for _ in range(4):
            assert await listed(http, front) == [said["conversation"]]


async def test_a_program_finds_the_replica_of_its_conversation(
    start: Start, tmp_path: Path
) -> None:
    two = places(2)
    for place in two:
        await asyncio.to_thread(start, place)
    body = {"messages": [{"role": "user", "content": "Hello!"}], "max_tokens": 4}
    async with balancer(tmp_path, two) as front, ClientSession() as http:
        for place in two:
            await front.until(place.name, "UP")
        for conversation in ("one", "another"):
            before = {place.name: int((await front.told(place.name))["stot"]) for place in two}
            for _ in range(4):
                async with http.post(
                    f"{front.url}/v1/chat/completions",
                    json=body,
                    headers={"X-Conversation-Id": conversation},
                ) as response:
                    assert response.status == 200
            after = {place.name: int((await front.told(place.name))["stot"]) for place in two}
            assert sorted(after[name] - before[name] for name in before) == [0, 4]


async def test_a_browser_whose_replica_was_taken_out_gets_another(
    start: Start, tmp_path: Path
) -> None:
    (only,) = places(1)
    await asyncio.to_thread(start, only)
    async with balancer(tmp_path, [only]) as front, browser() as http:
        await front.until(only.name, "UP")
        http.cookie_jar.update_cookies({"bramble_at": "taken-out"}, URL(front.url))
        assert await where(http, front) == only.name


async def _newcomer(front: Balancer) -> str:
    async with browser() as http:
        return await where(http, front)
