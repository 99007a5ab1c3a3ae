"""Who guesses passwords or asks too often is slowed down; everybody else notices nothing, nor does the event loop."""

import asyncio
import time
from collections import Counter
from pathlib import Path

import pytest
from aiohttp import ClientSession, TCPConnector

from bramble.access import book, passwords
from bramble.access.book import Book
from bramble.engine.client import Phase
from tests.conftest import Start
from tests.daemons import Running
from tests.page import page
from tests.server.test_session import HERS, PASSWORD, basic

PROXY = ["server.trusted_proxies=[127.0.0.0/8]"]
STALL = 0.05
"""Seconds that the event loop may stand still."""


@pytest.fixture
def claimed(tmp_path: Path) -> Book:
    people = Book(tmp_path)
    with people.change() as contents:
        contents.admin = passwords.hashed(PASSWORD)
        book.add_account(contents, "ada", passwords.hashed(HERS))
    return people


class Stalls:
    """The longest time that this loop, the daemon's as well, did not turn, less what the machine itself takes away."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Stalls":
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()

    async def _watch(self) -> None:
        """Time of this thread: what others on the machine take is nobody's fault here."""
        while True:
            busy = time.thread_time()
            await asyncio.sleep(0)
            self.longest = max(self.longest, time.thread_time() - busy)


async def guess(http: ClientSession, url: str, count: int, **headers: str) -> Counter[int]:
    """So many wrong passwords, sixteen at a time; what they were answered."""
    answers: Counter[int] = Counter()
    numbers = iter(range(count))

    async def some() -> None:
        for n in numbers:
            body = {"name": "admin", "password": f"guess number {n}"}
            async with http.post(f"{url}/api/session", json=body, headers=headers) as response:
                answers[response.status] += 1
                if response.status == 429:
                    assert int(response.headers["Retry-After"]) >= 1
                    assert (await response.json())["error"]["code"] == "rate_limited"

    await asyncio.gather(*(some() for _ in range(16)))
    return answers


@pytest.mark.parametrize(
    "count", [300, pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.timeout(600)])]
)
async def test_wrong_passwords_are_throttled_after_ten(
    start: Start, claimed: Book, count: int
) -> None:
    async with start([*PROXY, "server.rates.requests=1000000"]) as daemon:
        await daemon.until(Phase.READY)
        home = {"X-Forwarded-For": "192.168.1.5"}
        body = {"password": PASSWORD}
        url = f"{daemon.url}/api/session"
        async with daemon.http.post(url, json=body, headers=home) as response:
            assert response.status == 200  # the owner, from where the owner always is
        connector = TCPConnector(limit=16)
        async with ClientSession(connector=connector) as guesser, Stalls() as stalls:
            guesses = asyncio.create_task(
                guess(guesser, daemon.url, count, **{"X-Forwarded-For": "192.168.1.66"})
            )
            async with page(daemon.http, daemon.url) as one:  # somebody chats meanwhile
                done, text = await one.ask("slow 20 0.02")
                assert done["reason"] == "stop"
                assert len(text) > 0
            async with daemon.http.post(url, json=body, headers=home) as response:
                assert response.status == 200  # and the owner signs in
            answers = await guesses
        wrong = answers[401]
        assert 10 <= wrong <= 12  # one a minute comes back
        assert answers == {401: wrong, 429: count - wrong}
        assert stalls.longest < STALL
        async with daemon.http.post(
            url, json=body, headers={"X-Forwarded-For": "192.168.1.66"}
        ) as r:
            assert r.status == 429  # even the right one, from there
        ada = {"name": "ada", "password": HERS}
        async with daemon.http.post(url, json=ada, headers={"X-Forwarded-For": "192.168.1.7"}) as r:
            assert r.status == 200


async def test_basic_credentials_and_the_setup_code_are_guessed_no_faster(start: Start) -> None:
    async with start(["server.access=private", *PROXY]) as daemon:
        async with daemon.http.get(
            f"{daemon.url}/metrics", headers=basic("nobody", "first")
        ) as response:
            assert response.status == 401
        seen: Counter[int] = Counter()
        for n in range(15):
            headers = basic("ada", f"guess {n}") | {"X-Forwarded-For": "10.0.0.1"}
            async with daemon.http.get(f"{daemon.url}/metrics", headers=headers) as response:
                seen[response.status] += 1
        assert seen == {401: 10, 429: 5}
        seen.clear()
        for n in range(15):
            body = {"code": f"AAAA-AA{n:02}", "password": "taken by a guesser"}
            url, headers = f"{daemon.url}/api/password", {"X-Forwarded-For": "10.0.0.2"}
            async with daemon.http.post(url, json=body, headers=headers) as response:
                seen[response.status] += 1
        assert seen == {401: 10, 429: 5}
        assert not daemon.daemon.keeper.is_claimed


async def test_who_asks_too_often_waits_and_others_do_not(start: Start) -> None:
    async with start([*PROXY, "server.rates.requests=20"]) as daemon:

        async def ask(address: str) -> int:
            headers = {"X-Forwarded-For": address}
            async with daemon.http.get(f"{daemon.url}/healthz", headers=headers) as response:
                if response.status == 429:
                    assert 1 <= int(response.headers["Retry-After"]) <= 3
                return response.status

        assert [await ask("10.0.0.1") for _ in range(22)] == [200] * 20 + [429] * 2
        assert await ask("10.0.0.2") == 200


async def test_a_person_begins_so_many_answers_a_minute(start: Start) -> None:
    async with start(["server.rates.answers=2"]) as daemon:
        await daemon.until(Phase.READY)
        async with page(daemon.http, daemon.url) as one:
            for _ in range(2):
                await one.ask("say 1")
            await one.send("say", ref="more", conversation=None, text="say 1")
            error = await one.until("error", ref="more")
            assert error["code"] == "rate_limited"
            assert error["retry_after"] > 0
        body = {"messages": [{"role": "user", "content": "say 1"}]}
        url = f"{daemon.url}/v1/chat/completions"
        async with daemon.http.post(url, json=body) as response:
            assert response.status == 429
            assert int(response.headers["Retry-After"]) >= 1
            assert (await response.json())["error"]["code"] == "rate_limited"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-Forwarded-For": "8.8.8.8"}, 403),
        ({"X-Forwarded-For": "192.168.1.5, 8.8.8.8"}, 403),  # what a client wrote itself
        ({"X-Forwarded-For": "8.8.8.8, 192.168.1.5"}, 200),
        ({"X-Forwarded-For": "8.8.8.8, 192.168.1.5, 127.0.0.9"}, 200),
        ({"X-Forwarded-For": "nonsense"}, 403),
        ({}, 200),
    ],
)
async def test_a_trusted_proxy_is_believed(
    start: Start, headers: dict[str, str], status: int
) -> None:
    async with (
        start(PROXY) as daemon,
        daemon.http.get(f"{daemon.url}/healthz", headers=headers) as response,
    ):
        assert response.status == status


async def test_nobody_else_is(daemon: Running) -> None:
    headers = {"X-Forwarded-For": "8.8.8.8", "X-Forwarded-Proto": "https"}
    async with daemon.http.get(f"{daemon.url}/healthz", headers=headers) as response:
        assert response.status == 200


async def test_the_scheme_behind_a_proxy_makes_the_origin_and_the_cookie(
    start: Start, claimed: Book
) -> None:
    async with start(PROXY) as daemon:
        secure = daemon.url.replace("http:", "https:")
        for origin, proto, status in ((secure, "https", 200), (daemon.url, "https", 403)):
            headers = {"Origin": origin, "X-Forwarded-Proto": proto}
            url = f"{daemon.url}/api/session"
            async with daemon.http.post(
                url, json={"password": PASSWORD}, headers=headers
            ) as response:
                assert response.status == status
                if status == 200:
                    assert response.cookies["bramble-session"]["secure"]
