"""What a person sees and does on the page, by the names that a screen reader would say."""

from typing import Any

from playwright.async_api import Locator, Page, expect

DEADLINE = 30_000
"""Milliseconds that anything on the page may take."""

expect.set_options(timeout=DEADLINE)


class Person:
    """One page, in English."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.state = page.locator("#state")
        self.input = page.get_by_role("textbox", name="Your message")
        self.send = page.get_by_role("button", name="Send")
        self.stop = page.get_by_role("button", name="Stop the answer")
        self.bubbles = page.locator(".bubble")
        self.answers = page.locator(".bramble")
        self.texts = page.locator(".bramble .text")
        self.note = page.locator("#note")
        self.drawer = page.get_by_role("dialog", name="Conversations")
        self.rows = page.locator("#rows .row:not([hidden]) > a")

    def button(self, name: str) -> Locator:
        """The last button of this name."""
        return self.page.get_by_role("button", name=name).last

    async def ready(self) -> "Person":
        """Wait until the header says so."""
        await expect(self.state).to_have_text("ready")
        return self

    async def say(self, text: str) -> None:
        """Type and press Enter."""
        await self.input.fill(text)
        await self.input.press("Enter")

    async def ask(self, text: str) -> str:
        """Say something and wait for the end of the answer; returns its text."""
        before = await self.answers.count()
        await self.say(text)
        await expect(self.answers).to_have_count(before + 1)
        await self.answered()
        return await self.texts.last.inner_text()

    async def new_chat(self) -> None:
        """Leave what is shown for a new conversation."""
        await self.button("New chat").click()
        await expect(self.bubbles).to_have_count(0)

    async def answered(self) -> None:
        """Wait until nothing is being written any more."""
        await expect(self.stop).to_be_hidden(timeout=3 * DEADLINE)

    async def unfold(self) -> None:
        """Open the drawer."""
        if not await self.drawer.is_visible():
            await self.page.get_by_role("button", name="Conversations").click()
        await expect(self.drawer).to_be_visible()

    async def listen(self) -> None:
        """Note from now on what a screen reader says."""
        script = """() => {
            window.heard = [];
            const hear = ({ addedNodes }) => addedNodes.forEach((node) => heard.push(node.textContent));
            const watch = new MutationObserver((all) => all.forEach(hear));
            watch.observe(document.querySelector("#spoken"), { childList: true });
        }"""
        await self.page.evaluate(script)

    async def heard(self) -> list[str]:
        """What it has said since."""
        return await self.page.evaluate("window.heard")

    async def devtools(self) -> Any:
        """The browser's own tools for this page; Playwright's types for them say nothing."""
        return await self.page.context.new_cdp_session(self.page)

    async def run(self, script: str, *arguments: object) -> Any:
        """Call an async function of the folder of the page's modules and `arguments`."""
        return await self.page.evaluate(
            f"(all) => ({script})(...all)", [await self.base(), *arguments]
        )

    async def message(self, at: int = -1) -> dict[str, Any]:
        """A message as the page holds it."""
        script = (
            "async ({ base, at }) => (await import(base + 'base/state.js')).state.messages.at(at)"
        )
        return await self.page.evaluate(script, {"base": await self.base(), "at": at})

    async def base(self) -> str:
        """The folder that the page's modules come from."""
        source = await self.page.locator("script[type=module]").get_attribute("src")
        assert source is not None
        return source.removesuffix("app.js")
