"""A real browser. Whatever it complains about, and whatever it asks of anybody but the daemon, fails the test."""

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Request, async_playwright

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
    "--host-resolver-rules=MAP bramble.test 127.0.0.1",
)
PHONE: dict[str, Any] = {
    "locale": "en-US",
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "has_touch": True,
    "is_mobile": True,
}
LOST_LINK = "WebSocket connection to"

Visit = Callable[..., Awaitable[Person]]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture
async def visit(browser: Browser) -> AsyncIterator[Visit]:
    """Opens the page as a new person, on a phone unless told otherwise; `loses_link` forgives a lost socket."""
    complaints: list[str] = []

    async def visit(url: str, *, loses_link: bool = False, **options: Any) -> Person:
        context = await browser.new_context(**{**PHONE, **options})
        context.set_default_timeout(DEADLINE)
        _listen(context, url, complaints, LOST_LINK if loses_link else None)
        page = await context.new_page()
        await page.goto(url)
        return Person(page)

    yield visit
    assert complaints == []


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Where screenshots go: $BRAMBLE_SCREENSHOTS, or nowhere that lasts."""
    folder = Path(os.environ.get("BRAMBLE_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _listen(context: BrowserContext, url: str, complaints: list[str], forgiven: str | None) -> None:
    def console(message: ConsoleMessage) -> None:
        forgive = forgiven is not None and message.text.startswith(forgiven)
        if message.type in ("error", "warning") and not forgive:
            complaints.append(message.text)

    def request(request: Request) -> None:
        if not request.url.startswith((url, "data:")):
            complaints.append(f"asked for {request.url}")

    context.on("console", console)
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    context.on("request", request)
