"""Answering again, changing what was said, and the way between versions."""

from playwright.async_api import expect

from tests.daemons import Running
from tests.e2e.conftest import Visit


async def test_an_answer_is_given_again_and_both_are_kept(daemon: Running, visit: Visit) -> None:
    person = await (await visit(daemon.url)).ready()
    await person.ask("say 2")
    first = (await person.message())["id"]
    await person.button("Answer again").click()
    place = person.answers.last.get_by_role("group", name="Versions")
    await expect(place).to_have_text("2 of 2")
    await person.answered()
    await expect(person.button("Later version")).to_be_disabled()
    await person.button("Earlier version").click()
    await expect(place).to_have_text("1 of 2")
    assert (await person.message())["id"] == first
    await expect(person.bubbles).to_have_text(["say 2"])
    await person.page.reload()
    await expect(place).to_have_text("1 of 2")


async def test_a_message_is_changed_and_both_branches_stay(daemon: Running, visit: Visit) -> None:
    person = await (await visit(daemon.url)).ready()
    await person.ask("say 2")
    await person.ask("say 3")
    await person.input.fill("a draft")
    await person.page.get_by_role("button", name="Change this message").first.click()
    await expect(person.page.get_by_text("Changing an earlier message")).to_be_visible()
    changed = person.page.get_by_role("textbox", name="Your changed message")
    await expect(changed).to_have_value("say 2")
    await expect(changed).to_be_focused()
    await changed.fill("say 1")
    await changed.press("Enter")
    await person.answered()
    await expect(person.bubbles).to_have_text(["say 1"])
    await expect(person.texts).to_have_text(["0字"])
    await expect(person.input).to_have_value("a draft")
    await person.button("Earlier version").click()
    await expect(person.bubbles).to_have_text(["say 2", "say 3"])
    await expect(person.button("Earlier version")).to_be_disabled()


async def test_changing_can_be_left_and_the_draft_is_back(daemon: Running, visit: Visit) -> None:
    person = await (await visit(daemon.url)).ready()
    await person.ask("say 2")
    await person.input.press("ArrowUp")
    await expect(person.page.get_by_role("textbox")).to_have_value("say 2")
    await person.page.keyboard.press("Escape")
    await expect(person.input).to_have_value("")
    await expect(person.page.get_by_text("Changing an earlier")).to_be_hidden()


async def test_a_change_that_is_refused_comes_back_to_the_input(
    daemon: Running, visit: Visit
) -> None:
    person = await (await visit(daemon.url)).ready()
    await person.ask("say 2")
    await person.button("Change this message").click()
    script = """async (base) => {
        const { state } = await import(base + "base/state.js");
        state.editing.message = 10 ** 9; // gone meanwhile
    }"""
    await person.run(script)
    await person.page.get_by_role("textbox").fill("say 9")
    await person.page.keyboard.press("Enter")
    await expect(person.note).not_to_be_empty()
    await expect(person.page.get_by_role("textbox")).to_have_value("say 9")
    await expect(person.bubbles).to_have_text(["say 2"])


async def test_figures_are_shown_on_demand(daemon: Running, visit: Visit) -> None:
    person = await (await visit(daemon.url)).ready()
    await person.ask("say 2")
    await expect(person.page.get_by_text("tokens/s")).to_be_hidden()
    figures = person.button("Figures")
    await figures.click()
    await expect(person.answers.last).to_contain_text("100.0 tokens/s")
    await expect(person.answers.last).to_contain_text("202 of 4,096 tokens of room used")
    await expect(figures).to_have_attribute("aria-expanded", "true")
    await figures.click()
    await expect(person.page.get_by_text("tokens/s")).to_be_hidden()


async def test_sharing_copies_where_the_device_cannot_share(daemon: Running, visit: Visit) -> None:
    person = await (await visit(daemon.url)).ready()
    await person.page.evaluate(
        "navigator.share = undefined; navigator.clipboard.writeText = async (text) => void (window.copied = text)"
    )
    await person.ask("say 2")
    await person.page.get_by_role("button", name="Share", exact=True).click()
    await expect(person.note).to_contain_text("Copied. Paste it")
    assert await person.page.evaluate("copied") == "say 2\n\n0字 1字 "


async def test_sharing_uses_the_devices_own_way(daemon: Running, visit: Visit) -> None:
    person = await (await visit(daemon.url)).ready()
    await person.page.evaluate(
        "() => { navigator.share = async ({ text }) => { document.body.title = text } }"
    )
    await person.ask("say 2")
    await person.page.get_by_role("button", name="Share", exact=True).click()
    await expect(person.page.locator("body")).to_have_attribute("title", "say 2\n\n0字 1字 ")
    await expect(person.note).to_be_hidden()
