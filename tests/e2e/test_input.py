"""The input: what sends, what does not, and what is said when it cannot."""

import asyncio
from typing import Any

from playwright.async_api import Route, expect

from bramble.engine.client import Phase
from tests.conftest import Start
from tests.daemons import DEADLINE, Running
from tests.e2e.conftest import DESKTOP, Visit


async def test_enter_sends_and_shift_enter_breaks_the_line(daemon: Running, visit: Visit) -> None:
    person = await (await visit(daemon.url)).ready()
    await person.input.press_sequentially("say")
    one_line = await person.input.bounding_box()
    await person.input.press("Shift+Enter")
    await person.input.press_sequentially("3")
    two_lines = await person.input.bounding_box()
    assert one_line and two_lines and two_lines["height"] > one_line["height"]
    await expect(person.bubbles).to_have_count(0)
    await person.input.press("Enter")
    await expect(person.bubbles).to_have_text(["say\n3"])
    await expect(person.input).to_have_value("")
    assert (await person.input.bounding_box()) == one_line


async def test_safaris_enter_after_a_composition_does_not_send(
    daemon: Running, visit: Visit
) -> None:
    person = await (await visit(daemon.url)).ready()
    await person.input.fill("say 3")
    await person.input.dispatch_event("keydown", {"key": "Enter", "keyCode": 229, "bubbles": True})
    await expect(person.input).to_have_value("say 3")
    await expect(person.bubbles).to_have_count(0)


async def test_touching_send_leaves_the_keyboard_where_it_is(daemon: Running, visit: Visit) -> None:
    person = await (await visit(daemon.url)).ready()
    await person.input.tap()
    await person.input.press_sequentially("say 3")
    await person.send.tap()
    await expect(person.bubbles).to_have_text(["say 3"])
    await expect(person.input).to_be_focused()


async def test_nothing_but_spaces_is_not_sent(daemon: Running, visit: Visit) -> None:
    person = await (await visit(daemon.url)).ready()
    await person.say(" \n ")
    await expect(person.send).to_be_disabled()
    await expect(person.bubbles).to_have_count(0)


async def test_a_second_message_waits_for_the_first_answer(daemon: Running, visit: Visit) -> None:
    person = await (await visit(daemon.url)).ready()
    await person.say("slow 1000 0.02")
    await expect(person.texts.last).not_to_be_empty()
    await person.say("say 2")
    await expect(person.note).to_contain_text("One answer at a time")
    await expect(person.input).to_have_value("say 2")
    await person.stop.click()
    await expect(person.note).to_be_hidden()
    await person.input.press("Enter")
    await expect(person.texts.last).to_have_text("0字 1字")


async def test_a_message_too_long_for_a_frame_is_kept_and_said(
    daemon: Running, visit: Visit
) -> None:
    person = await (await visit(daemon.url)).ready()
    await person.say("字" * 90_000)
    await expect(person.note).to_contain_text("too long")
    await expect(person.bubbles).to_have_count(0)
    assert len(await person.input.input_value()) == 90_000
    await person.input.fill("shorter")
    await expect(person.note).to_be_hidden()


async def test_copying_works_where_there_is_no_clipboard_api(chats: Start, visit: Visit) -> None:
    async with chats(["server.names=[bramble.test]"]) as daemon:
        await daemon.until(Phase.READY)
        person = await visit(daemon.url.replace("127.0.0.1", "bramble.test"), loses_link=True)
        await person.ready()
        assert await person.page.evaluate("!isSecureContext && !navigator.clipboard")
        await person.ask("Hello!")
        await person.button("Copy the answer").click()
        await expect(person.page.locator("#live")).to_have_text("Copied")
        await person.input.press("Control+V")
        await expect(person.input).to_have_value((await person.message())["text"])


async def test_what_is_copied_keeps_its_lines_and_spaces(daemon: Running, visit: Visit) -> None:
    person = await (await visit(daemon.url)).ready()
    script = """async ({ base, text }) => {
        Object.defineProperty(navigator, "clipboard", { value: undefined });
        return (await import(base + "base/copy.js")).copy(text);
    }"""
    text = "if a:\n\n    b = '  '\n\t# 中文\n"
    assert await person.page.evaluate(script, {"base": await person.base(), "text": text})
    await person.input.press("Control+V")
    await expect(person.input).to_have_value(text)


async def test_what_is_typed_is_told_until_it_is_sent(daemon: Running, visit: Visit) -> None:
    person = await visit(daemon.url)
    sent: list[str] = []
    person.page.on(
        "websocket", lambda socket: socket.on("framesent", lambda f: sent.append(str(f)))
    )
    await person.page.reload()
    await person.ready()
    await person.input.press_sequentially("say 3")
    async with asyncio.timeout(DEADLINE):
        while not any('"typing"' in frame and '"say 3"' in frame for frame in sent):
            await asyncio.sleep(0.02)
    await person.input.press("Enter")
    await person.answered()
    last = [frame for frame in sent if '"typing"' in frame or '"say"' in frame][-1]
    assert '"type":"say"' in last


async def test_drafts_survive_a_reload_each_in_its_conversation(
    daemon: Running, visit: Visit
) -> None:
    person = await (await visit(daemon.url)).ready()
    await person.ask("say 1")
    await person.input.fill("for the first\nchat")
    await person.new_chat()
    await expect(person.input).to_have_value("")
    await person.input.fill("for a new one")
    await person.page.reload()
    await expect(person.input).to_have_value("for a new one")
    await person.unfold()
    await person.rows.first.click()
    await expect(person.input).to_have_value("for the first\nchat")
    height = await person.input.evaluate("(input) => input.offsetHeight - input.scrollHeight")
    assert abs(height) <= 2
    await person.input.press("Enter")
    await person.page.reload()
    await expect(person.bubbles.last).to_have_text("for the first\nchat")
    await expect(person.input).to_have_value("")


async def test_what_is_typed_before_the_page_is_whole_stays(daemon: Running, visit: Visit) -> None:
    """Its HTML is there, its scripts are still on their way."""
    person = await (await visit(daemon.url)).ready()
    await person.input.fill("say ")
    arrived = asyncio.Event()

    async def late(route: Route) -> None:
        await arrived.wait()
        await route.continue_()

    await person.page.route("**/app.js", late)
    await person.page.reload(wait_until="commit")
    await person.page.locator("#message").press_sequentially("2")
    arrived.set()
    await person.ready()
    await expect(person.input).to_have_value("say 2")
    await person.input.press("Enter")
    await expect(person.bubbles).to_have_text(["say 2"])


async def test_at_twice_the_size_everything_is_in_reach(daemon: Running, visit: Visit) -> None:
    """A window of 1280 × 800 zoomed to 200 %."""
    twice: dict[str, Any] = {"viewport": {"width": 640, "height": 400}, "device_scale_factor": 2}
    person = await (await visit(daemon.url, **DESKTOP | twice)).ready()
    await person.ask(f"repeat 9 {'wide ' * 40}\n\n| a | b |\n|--|--|\n| {'x' * 90} | {'y' * 90} |")
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert await person.page.evaluate(overflow) == 0
    await expect(person.input).to_be_in_viewport()
    await expect(person.button("New chat")).to_be_in_viewport()
    await person.unfold()
    await person.button("Settings").click()
    about = person.page.get_by_role("heading", name="About")
    await about.scroll_into_view_if_needed()
    await expect(about).to_be_in_viewport()
    await expect(person.button("Close")).to_be_in_viewport()
    assert await person.page.evaluate(overflow) == 0
    await person.button("Close").click()
    await person.ask("say 1")
