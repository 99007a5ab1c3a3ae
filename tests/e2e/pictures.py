"""Every view as a picture, for eyes: `python -m tests.e2e.pictures FOLDER [VIEW ...]`, on phone and desktop, light and
dark, in both languages. With `--icons` it draws the PNGs of web/icons from their SVG instead."""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from itertools import product
from pathlib import Path
from random import randint
from tempfile import TemporaryDirectory
from typing import Any

from playwright.async_api import Browser, Page, async_playwright, expect

from bramble.access import passwords
from bramble.access.book import Book
from bramble.engine.client import Phase
from tests.daemons import Running, running
from tests.e2e.conftest import ARGUMENTS, CHROMIUM, PHONE
from tests.updates.appliance import updating

DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
NAME = """async ([base, title]) => {
    const { state } = await import(base + "base/state.js");
    (await import(base + "link/socket.js")).send({ type: "rename", title, conversation: state.conversation });
    const bubble = [...document.querySelectorAll(".bubble")].at(-1);
    bubble.textContent = title;
}"""
"""The picture shows the question, not the order to the fake engine."""
PASSWORD = "correct horse battery"
SIZES = {"phone": PHONE, "desktop": DESKTOP}
ICONS = Path(__file__).parents[2] / "web" / "icons"
TEXTS = Path(__file__).parent / "texts"
"""What the answers in the pictures say, by language."""


async def chat(page: Page, language: str) -> None:
    """A question, an answer in Markdown, and its figures."""
    await ask(page, (TEXTS / f"{language}.txt").read_text())
    await page.locator("[data-action=details]").last.click()
    await page.locator("main").evaluate("(main) => main.scrollTo(0, 0)")


async def code(page: Page, language: str) -> None:
    """Code, a table and a formula."""
    await ask(page, (TEXTS / f"{language}-code.txt").read_text())
    await page.locator("main").evaluate("(main) => main.scrollTo(0, 0)")


async def empty(page: Page, _: str) -> None:
    """A new chat."""


async def drawer(page: Page, language: str) -> None:
    """The list, with what can be done with a conversation."""
    await several(page, language)
    await unfold(page)
    await page.locator("[data-action=tools]").nth(1).click()


async def deleted(page: Page, language: str) -> None:
    """A conversation that can still be had back, another being renamed."""
    await drawer(page, language)
    await page.locator("[data-action=delete]:visible").click()
    await page.locator("[data-action=tools]").nth(2).click()
    await page.locator("[data-action=rename]:visible").click()


async def search(page: Page, language: str) -> None:
    """Places where something was found."""
    await several(page, language)
    await unfold(page)
    await page.locator("#search").fill("o" if language == "en" else "的")
    await expect(page.locator(".hit").first).to_be_visible()


async def settings(page: Page, _: str) -> None:
    """The settings of this browser."""
    await unfold(page)
    await page.locator("[data-action=settings]").click()


async def versions(page: Page, language: str) -> None:
    """A changed message with its versions, while it is being changed again."""
    await ask(page, {"en": "Good morning!", "zh": "早上好！"}[language])
    await page.locator("[data-action=edit]").last.click()
    await ask(page, (TEXTS / f"{language}.txt").read_text()[:200])
    await page.locator("[data-action=again]").last.click()
    await expect(page.locator(".bramble .versions")).to_be_visible()
    await expect(page.locator("#stop")).to_be_hidden()
    await page.locator("[data-action=edit]").last.click()


async def trouble(page: Page, _: str) -> None:
    """An answer that broke off."""
    await ask(page, "say 1")  # an answer that is whole: the engine comes back at once
    await page.locator("#message").fill("die 3")
    await page.keyboard.press("Enter")
    await expect(page.locator(".problem button").first).to_be_visible()


async def ask(page: Page, text: str) -> None:
    """Say something that is answered by itself; then call it by its first line, as a person would have asked it."""
    title = text.split("\n")[0]
    await page.locator("#message").fill(f"repeat 7 {text}")
    await page.locator("#message").press("Enter")
    await expect(page.locator(".bubble").last).to_contain_text(title)
    await expect(page.locator("#stop")).to_be_hidden()
    await expect(page.locator(".bramble .buttons:visible").last).to_be_visible()
    source = str(await page.locator("script[type=module]").get_attribute("src"))
    await page.evaluate(NAME, [source.removesuffix("app.js"), title])
    await expect(page.locator("#name")).to_have_text(title)


async def several(page: Page, language: str) -> None:
    """A list that somebody has after a week."""
    for text in (TEXTS / f"{language}-list.txt").read_text().splitlines():
        await page.locator("#new").click()
        await ask(page, text)


async def unfold(page: Page) -> None:
    """The drawer, where it is not open."""
    if not await page.locator("#drawer").is_visible():
        await page.locator("#toggle").click()
    await expect(page.locator("#drawer")).to_be_visible()


async def roles(page: Page, _: str) -> None:
    """Who may answer."""
    await page.locator("#roles").click()


async def role(page: Page, language: str) -> None:
    """A role being written."""
    await roles(page, language)
    await page.locator("[data-action=edit-role]").nth(3).click()


async def welcome(page: Page, _: str) -> None:
    """What a new appliance says."""
    script = "async (base) => (await import(base + 'base/state.js')).changed({ sheet: 'welcome' })"
    source = str(await page.locator("script[type=module]").get_attribute("src"))
    await page.evaluate(script, source.removesuffix("app.js"))
    await expect(page.locator("#sheet")).to_be_visible()


async def admin(page: Page, language: str) -> None:
    """How the appliance fares."""
    await settings(page, language)
    await page.locator("[data-action=sign-in]").click()
    await page.locator("[name=password]").fill(PASSWORD)
    await page.locator("#sheet .main").click()
    await expect(page.locator("#sheet")).to_be_hidden()
    await expect(page.locator("#state")).to_have_class("ready")
    await settings(page, language)
    await page.locator("[data-action=admin]").click()
    await expect(page.locator(".graph:visible").last).to_contain_text("/")  # at the second look


async def models(page: Page, language: str) -> None:
    """The models that there are."""
    await admin(page, language)
    await page.locator("[data-part=models]").click()
    await expect(page.locator(".items li").first).to_be_visible()


async def people(page: Page, language: str) -> None:
    """Accounts and keys."""
    await admin(page, language)
    await page.locator("[data-part=people]").click()
    form = page.locator("#part form").first
    await form.locator("[name=name]").fill(f"ada{randint(0, 9999)}")
    await form.locator("[name=password]").fill(PASSWORD)
    await form.locator(".main").click()
    await expect(page.locator(".item").first).to_be_visible()


async def config(page: Page, language: str) -> None:
    """What counts at once."""
    await admin(page, language)
    await page.locator("[data-part=settings]").click()
    await expect(page.locator("#part .field").first).to_be_visible()


async def log(page: Page, language: str) -> None:
    """The log."""
    await admin(page, language)
    await page.locator("[data-part=log]").click()
    await expect(page.locator(".log p").first).to_be_visible()


VIEWS: dict[str, Callable[[Page, str], Awaitable[None]]] = {
    view.__name__: view
    for view in (
        empty,
        chat,
        code,
        versions,
        trouble,
        drawer,
        deleted,
        search,
        settings,
        roles,
        role,
        welcome,
        admin,
        models,
        people,
        config,
        log,
    )
}


async def pictures(folder: Path, wanted: list[str]) -> None:
    """All of them, each by a person of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as state:
        with Book(Path(state)).change() as contents:
            contents.admin = passwords.hashed(PASSWORD)
        async with (
            running(Path(state), ["log_level=info"], root=updating(Path(state))) as daemon,
            async_playwright() as playwright,
        ):
            await daemon.until(Phase.READY)
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            for view, (size, options), light, language in product(
                wanted, SIZES.items(), ("light", "dark"), ("en", "zh")
            ):
                file = folder / f"{view}-{size}-{light}-{language}.png"
                try:
                    await picture(
                        browser, daemon, view, options | {"color_scheme": light}, language, file
                    )
                except AssertionError as error:
                    print(f"{file.name}: {str(error)[:300]}", file=sys.stderr)
            await browser.close()


async def picture(
    browser: Browser, daemon: Running, view: str, options: dict[str, Any], language: str, file: Path
) -> None:
    """One of them."""
    locale = {"en": "en-US", "zh": "zh-CN"}[language]
    options = options | {"locale": locale, "reduced_motion": "reduce"}
    context = await browser.new_context(**options)
    page = await context.new_page()
    await page.goto(daemon.url)
    await expect(page.locator("#state")).to_have_class("ready")
    await VIEWS[view](page, language)
    await page.evaluate(
        "document.activeElement.matches('#message') && document.activeElement.blur()"
    )
    await page.screenshot(path=file)
    await context.close()


async def icons() -> None:
    """The PNGs that phones want, from the SVGs."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        for name, source, size in (
            ("192", "icon", 192),
            ("512", "icon", 512),
            ("512-maskable", "maskable", 512),
            ("180", "maskable", 180),
        ):
            page = await browser.new_page(viewport={"width": size, "height": size})
            svg = (ICONS / f"{source}.svg").read_text()
            await page.set_content(
                f"<style>*{{margin:0}}svg{{display:block;width:100vw}}</style>{svg}"
            )
            await page.screenshot(path=ICONS / f"{name}.png", omit_background=True)
        await browser.close()


def main() -> None:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("views", nargs="*", metavar="VIEW", help=", ".join(VIEWS))
    parser.add_argument("--icons", action="store_true")
    options = parser.parse_args()
    if unknown := set(options.views) - VIEWS.keys():
        sys.exit(f"There is no view {unknown.pop()}; there are {', '.join(VIEWS)}.")
    if options.icons:
        asyncio.run(icons())
    if options.folder:
        asyncio.run(pictures(options.folder, options.views or list(VIEWS)))


if __name__ == "__main__":
    main()
