"""A real browser. Whatever it complains about, and whatever it asks of anybody but the daemon, fails the test.

Browser and daemon are started once and shared; each person has cookies and a store of their own.
"""

import inspect
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Request, async_playwright

from bramble.engine.client import Phase
from tests.conftest import Start
from tests.daemons import Running, running
from tests.e2e.person import DEADLINE, Person

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP *.test 127.0.0.1",
)
PHONE: dict[str, Any] = {
    "locale": "en-US",
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "has_touch": True,
    "is_mobile": True,
}
DESKTOP: dict[str, Any] = {
    "viewport": {"width": 1280, "height": 800},
    "device_scale_factor": 1,
    "has_touch": False,
    "is_mobile": False,
}
LOST_LINK = ("WebSocket connection to", "Failed to load resource: net::ERR")
WELCOMED = "try { localStorage['bramble.welcomed'] ??= 'yes' } catch {}"

Visit = Callable[..., Awaitable[Person]]


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    """All tests of the page share one event loop, because they share one browser."""
    here = Path(__file__).parent
    for item in items:
        function = getattr(item, "function", None)
        if here in item.path.parents and inspect.iscoroutinefunction(function):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture
def chats(tmp_path: Path, starter: Path) -> Start:
    """Starts daemons with the starter model: `async with chats(settings) as daemon`."""
    return partial(running, tmp_path, model=starter)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def daemon(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """A daemon with the fake engine and the default settings, for all tests of a file."""
    async with running(tmp_path_factory.mktemp("daemon"), ["server.drain=0"]) as daemon:
        await daemon.until(Phase.READY)
        yield daemon


@pytest_asyncio.fixture(loop_scope="session")
async def visit(browser: Browser) -> AsyncIterator[Visit]:
    """Opens the page as a new person, on a phone unless told otherwise; `loses_link` forgives a lost socket,
    `forgives` what begins so. Who is a `newcomer` is welcomed first."""
    complaints: list[str] = []
    contexts: list[BrowserContext] = []

    async def visit(
        url: str,
        *,
        loses_link: bool = False,
        forgives: str = "",
        newcomer: bool = False,
        cookie: str = "",
        **options: Any,
    ) -> Person:
        context = await browser.new_context(**{**PHONE, **options})
        contexts.append(context)
        context.set_default_timeout(DEADLINE)
        forgiven = (*(LOST_LINK if loses_link else ()), *((forgives,) if forgives else ()))
        _listen(context, url.partition("/#")[0], complaints, forgiven)
        if not newcomer:
            await context.add_init_script(WELCOMED)
        if cookie:
            await context.add_cookies([{"name": "bramble", "value": cookie, "url": url}])
        page = await context.new_page()
        await page.goto(url)
        return Person(page)

    yield visit
    for context in contexts:
        await context.close()
    assert complaints == []


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Where screenshots go: $BRAMBLE_SCREENSHOTS, or nowhere that lasts."""
    folder = Path(os.environ.get("BRAMBLE_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _listen(
    context: BrowserContext, url: str, complaints: list[str], forgiven: tuple[str, ...]
) -> None:
    def console(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(forgiven):
            complaints.append(message.text)

    def request(request: Request) -> None:
        if not request.url.startswith((url, "data:")):
            complaints.append(f"asked for {request.url}")

    context.on("console", console)
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    context.on("request", request)
