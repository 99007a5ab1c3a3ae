"""Hostile pages in a real browser: from another origin, and from a name that was made to point to the appliance.

They read, ask, change and frame nothing, before there is a password and after, with the admin signed in beside.
"""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Browser, BrowserContext, Page, Route

from bramble.engine.client import Phase
from bramble.server.access import SESSION
from tests.daemons import Running, running
from tests.e2e.attacks import FOREIGN, HELPERS, REBOUND
from tests.e2e.test_door import PASSWORD, claim

EMPTY = "<!doctype html><title>Kittens</title><body></body>"


class Evil:
    """Somebody's browser with a hostile page in it, and the appliance in the same house."""

    def __init__(self, daemon: Running, folder: Path, context: BrowserContext, page: Page) -> None:
        self.daemon, self.folder, self.context, self.page = daemon, folder, context, page
        self.at = daemon.url

    async def run(self, attack: str) -> Any:
        """What the page gets by this; "" where it is refused."""
        script = f"""async ([T, W]) => {{ {HELPERS}
            try {{ return (await (async () => {{ {attack} }})()) ?? "" }} catch {{ return "" }} }}"""
        return await self.page.evaluate(script, [self.at, self.at.replace("http", "ws", 1)])

    async def state(self) -> dict[str, Any]:
        """What an attack could have changed."""
        async with self.daemon.http.get(f"{self.daemon.url}/metrics") as response:
            lines = (await response.text()).splitlines()
        counts = ("bramble_completion_tokens_total ", "bramble_prompt_tokens_total ")
        with closing(sqlite3.connect(self.folder / "bramble.sqlite")) as database:
            (messages,) = database.execute("SELECT count(*) FROM messages").fetchone()
        cookies = await self.context.cookies(self.daemon.url)
        return {
            "computed": [line for line in lines if line.startswith(counts)],
            "messages": messages,
            "engine": self.daemon.daemon.engine.state.pid,
            "fetches": self.daemon.daemon.fetches.all,
            "people": _text(self.folder / "access.json"),
            "settings": _text(self.folder / "settings.yaml"),
            "signed in": [each.get("value") for each in cookies if each.get("name") == SESSION],
            "framed": await self._framed(),
        }

    async def _framed(self) -> list[str]:
        """Where the page is to be seen inside of another."""
        found: list[str] = []
        for frame in self.page.frames[1:]:
            if frame.url.startswith(self.at) and await frame.query_selector("#message"):
                found.append(frame.url)
        return found


def _text(file: Path) -> str:
    return file.read_text() if file.exists() else ""


@pytest_asyncio.fixture(params=["unclaimed", "claimed"], loop_scope="session", scope="module")
async def evil(
    request: pytest.FixtureRequest, browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Evil]:
    """A hostile page at evil.test; once there is a password, whoever looks at it is signed in as admin."""
    folder = tmp_path_factory.mktemp(request.param)
    claimed = request.param == "claimed"
    if claimed:
        claim(folder)
    async with AsyncExitStack() as stack:
        settings = ["server.drain=0", "server.rates.requests=100000", "server.power=true"]
        daemon = await stack.enter_async_context(running(folder, settings))
        await daemon.until(Phase.READY)
        site = web.Application()
        site.router.add_get("/", _kitten)
        runner = web.AppRunner(site)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        context = await browser.new_context()
        stack.push_async_callback(context.close)
        if claimed:
            who = {"name": "admin", "password": PASSWORD}
            signed = await context.request.post(f"{daemon.url}/api/session", data=who)
            assert signed.ok, await signed.text()
        page = await context.new_page()
        await page.goto(f"http://evil.test:{runner.addresses[0][1]}/")
        yield Evil(daemon, folder, context, page)


@pytest.mark.parametrize("name", FOREIGN)
async def test_another_origin_gets_nothing(evil: Evil, name: str) -> None:
    before = await evil.state()
    assert await evil.run(FOREIGN[name]) == ""
    assert await evil.state() == before


@pytest.mark.parametrize("name", REBOUND)
async def test_a_name_that_was_made_to_point_here_gets_nothing(evil: Evil, name: str) -> None:
    address = evil.daemon.url.replace("127.0.0.1", "rebound.test")
    page = await evil.context.new_page()
    await page.route(f"{address}/kittens", _kittens)
    await page.goto(f"{address}/kittens")
    rebound = Evil(evil.daemon, evil.folder, evil.context, page)
    rebound.at = address
    before = await rebound.state()
    assert await rebound.run(REBOUND[name]) == ""
    assert await rebound.state() == before
    await page.close()


async def test_the_same_from_the_appliance_s_own_page_works(evil: Evil) -> None:
    """So the refusals above are refusals."""
    page = await evil.context.new_page()
    await page.goto(evil.daemon.url)
    own = Evil(evil.daemon, evil.folder, evil.context, page)
    for name in ("read the page", "ask as JSON", "talk", "its icon as an image"):
        before = await own.state()
        static = await page.locator("script[type=module]").get_attribute("src")
        assert static is not None
        await page.evaluate("(part) => (location.hash = part)", static.split("/")[-2])
        assert await own.run(FOREIGN[name]) != "", name
        assert name != "ask as JSON" or await own.state() != before
    await page.close()


async def _kitten(_: web.Request) -> web.Response:
    return web.Response(text=EMPTY, content_type="text/html")


async def _kittens(route: Route) -> None:
    await route.fulfill(body=EMPTY, content_type="text/html")
