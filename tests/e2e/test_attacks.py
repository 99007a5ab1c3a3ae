"""Hostile pages in a real browser: of another site, of another port, and under a name that was made to point here.

They read, ask, change and frame nothing, before there is a password and after, with the admin signed in beside. The
same from a page of the appliance's own works, so that a refusal is one.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Browser, Page

from tests.daemons import DEADLINE
from tests.e2e.attacks import ADMIN, ANYBODY, CLAIMING, NOBODY
from tests.e2e.house import House, house
from tests.e2e.witness import KITTENS, Exchange

ATTACKS = ANYBODY | CLAIMING | ADMIN | NOBODY
OTHER_SITE, OTHER_PORT, REBOUND = "another site", "another port", "a rebound name"
PAGES = {
    OTHER_SITE: ("evil.test", "bramble.test"),
    OTHER_PORT: ("127.0.0.1", "127.0.0.1"),
    REBOUND: ("rebound.test", "rebound.test"),
}
"""Where the page is, and by which name it calls the appliance.

A browser tells of the page that asks (Fetch Metadata) only where it trusts the link, so by 127.0.0.1, not by a name;
and to another port of the same name it sends the cookies."""


@dataclass
class Hostile:
    """A hostile page, what it calls the appliance, and how things were before its next attack."""

    house: House
    page: Page
    called: str
    before: dict[str, Any]


@pytest_asyncio.fixture(params=["unclaimed", "claimed"], loop_scope="session", scope="module")
async def home(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[House]:
    """A house whose appliance has no password yet, or has one."""
    folder = tmp_path_factory.mktemp(request.param)
    async with house(folder, owned=request.param == "claimed") as home:
        yield home


@pytest_asyncio.fixture(params=PAGES, loop_scope="session", scope="module")
async def hostile(
    request: pytest.FixtureRequest, browser: Browser, home: House
) -> AsyncIterator[Hostile]:
    """Somebody in the house looks at kittens."""
    name, called = PAGES[request.param]
    site = web.Application()
    site.router.add_get("/kittens", _kittens)
    runner = web.AppRunner(site)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    context = await browser.new_context()
    await home.prepare(context, "bramble.test" if request.param == REBOUND else called)
    page = await context.new_page()
    port = home.witness.port if request.param == REBOUND else runner.addresses[0][1]
    await page.goto(f"http://{name}:{port}/kittens")
    yield Hostile(home, page, called, await home.state(page))
    await context.close()
    await runner.cleanup()


@pytest.mark.parametrize("name", ATTACKS)
async def test_a_hostile_page_gets_nothing_and_changes_nothing(hostile: Hostile, name: str) -> None:
    home, page, before = hostile.house, hostile.page, hostile.before
    told = await home.run(page, hostile.called, ATTACKS[name])
    seen = await home.witness.settled()
    hostile.before = await home.state(page)
    assert (told, hostile.before) == ("", before)
    assert seen, "nobody asked"
    own = [home.at(name) for name in ("bramble.test", "127.0.0.1")]
    assert [each for each in seen if not _is_harmless(each, own)] == []


async def test_the_same_from_the_appliance_s_own_page_works(browser: Browser, home: House) -> None:
    """So the refusals above are refusals."""
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(f"{home.at('bramble.test')}/kittens")
    works = ANYBODY | (ADMIN if home.owned else CLAIMING)
    failed: list[str] = []
    for name, attack in works.items():
        await home.prepare(context, "bramble.test")
        before = await home.state(page)
        told = await home.run(page, "bramble.test", attack)
        with suppress(TimeoutError):
            async with asyncio.timeout(DEADLINE / 8):
                while not told and await home.state(page) == before:
                    await asyncio.sleep(0.01)
                continue
        failed.append(name)
    await context.close()
    assert failed == []


def _is_harmless(seen: Exchange, own: list[str]) -> bool:
    """Refused, or only looked at; the appliance's page in a window of its own speaks for itself."""
    looked = seen.method in ("GET", "HEAD") and seen.status != 101
    return seen.status >= 400 or looked or seen.origin in own


async def _kittens(_: web.Request) -> web.Response:
    return web.Response(text=KITTENS, content_type="text/html")
