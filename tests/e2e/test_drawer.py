"""The list of conversations: found, named, deleted and had back, taken away; the same on every device."""

import re
from pathlib import Path

from playwright.async_api import expect

from tests.daemons import Running
from tests.e2e.conftest import DESKTOP, Visit
from tests.e2e.person import Person


async def with_chats(visit: Visit, daemon: Running, *texts: str, **options: object) -> Person:
    """Somebody who has asked this, newest last, and has the drawer open."""
    person = await (await visit(daemon.url, **options)).ready()
    for text in texts:
        await person.new_chat()
        await person.ask(text)
    await person.unfold()
    return person


async def test_a_conversation_is_found_again_in_the_list(daemon: Running, visit: Visit) -> None:
    person = await with_chats(visit, daemon, "say 1", "say 2")
    await expect(person.rows).to_have_text(["say 2", "say 1"])
    await expect(person.drawer.get_by_text("Today")).to_be_visible()
    await expect(person.rows.first).to_have_attribute("aria-current", "page")
    await person.rows.last.click()
    await expect(person.drawer).to_be_hidden()
    await expect(person.bubbles).to_have_text(["say 1"])
    await expect(person.page).to_have_title("say 1 · Bramble")
    await person.page.go_back()
    await expect(person.bubbles).to_have_text(["say 2"])
    await person.page.reload()
    await expect(person.bubbles).to_have_text(["say 2"])


async def test_what_was_said_last_is_first_whatever_the_clock_says(
    daemon: Running, visit: Visit
) -> None:
    """A board without a battery may think that it is 1970; a new title moves nothing."""
    person = await with_chats(visit, daemon, "say 1", "say 2")
    script = """async (base, changes) => {
        const { receive } = await import(base + "link/frames.js");
        const { state } = await import(base + "base/state.js");
        receive({ type: "changed", conversation: { ...state.list.items.at(-1), ...changes } });
    }"""
    await person.run(script, {"updated": 7})
    await expect(person.rows).to_have_text(["say 1", "say 2"])
    await person.run(script, {"title": "Two"})
    await expect(person.rows).to_have_text(["say 1", "Two"])


async def test_a_long_list_comes_in_parts(daemon: Running, visit: Visit) -> None:
    person = await (await visit(daemon.url)).ready()
    script = """async (base, count) => {
        const { send } = await import(base + "link/socket.js");
        for (let n = 0; n < count; n++) send({ type: "say", ref: `many-${n}`, conversation: null, text: `say ${n}` });
    }"""
    await person.run(script, 60)
    await person.unfold()
    await expect(person.rows).to_have_count(60)
    await person.page.reload()
    await person.unfold()
    await expect(person.rows).to_have_count(50)
    await person.page.locator("#list").evaluate("(list) => list.scrollTo(0, list.scrollHeight)")
    await expect(person.rows).to_have_count(60)
    texts = await person.rows.all_inner_texts()
    assert len(set(texts)) == 60


async def test_search_shows_the_place_and_leads_there(daemon: Running, visit: Visit) -> None:
    person = await with_chats(visit, daemon, "repeat 9 我们去长城吧 " + "a\n" * 60, "say 2")
    await person.page.get_by_role("searchbox").fill("长城")
    hits = person.drawer.locator(".hit")
    await expect(hits).to_have_count(2)
    await expect(hits.first.locator("mark")).to_have_text("长城")
    await hits.last.click()
    await expect(person.bubbles.first).to_contain_text("长城")
    await expect(person.bubbles.first).to_be_in_viewport()


async def test_what_is_not_found_says_what_to_do(daemon: Running, visit: Visit) -> None:
    person = await with_chats(visit, daemon, "say 1")
    await person.page.get_by_role("searchbox").fill("xylophone")
    await expect(person.drawer).to_contain_text("Nothing found. Try fewer or other words.")
    await person.page.get_by_role("searchbox").fill("")
    await expect(person.rows).to_have_text(["say 1"])


async def test_a_new_name_reaches_the_other_device(daemon: Running, visit: Visit) -> None:
    person = await with_chats(visit, daemon, "say 1")
    (cookie,) = await person.page.context.cookies()
    other = await visit(daemon.url, cookie=cookie.get("value"), **DESKTOP)
    await expect(other.rows).to_have_text(["say 1"])
    await person.button("More for “say 1”").click()
    await person.button("Rename").click()
    name = person.page.get_by_role("textbox", name="Name of the conversation")
    await expect(name).to_be_focused()
    await name.fill("Counting to one")
    await name.press("Enter")
    for each in (person, other):
        await expect(each.rows).to_have_text(["Counting to one"])
    await person.button("More for “Counting").click()
    await person.button("Rename").click()
    await name.fill("Never")
    await name.press("Escape")
    await expect(person.rows).to_have_text(["Counting to one"])
    await expect(person.drawer).to_be_visible()


async def test_deleting_can_be_undone(daemon: Running, visit: Visit) -> None:
    person = await with_chats(visit, daemon, "say 1", "say 2")
    await person.button("More for “say 2”").click()
    await person.button("Delete").click()
    await expect(person.rows).to_have_text(["say 1"])
    await expect(person.bubbles).to_have_count(0)
    undo = person.button("Undo")
    await expect(undo).to_be_focused()
    await undo.click()
    await expect(person.rows).to_have_text(["say 2", "say 1"])
    await expect(person.bubbles).to_have_text(["say 2"])


async def test_what_was_deleted_is_gone_even_if_the_page_was_closed(
    daemon: Running, visit: Visit
) -> None:
    person = await with_chats(visit, daemon, "say 1", "say 2")
    (cookie,) = await person.page.context.cookies()
    other = await visit(daemon.url, cookie=cookie.get("value"), **DESKTOP)
    await person.button("More for “say 1”").click()
    await person.button("Delete").click()
    script = """const all = JSON.parse(localStorage["bramble.deleting"]);
        for (const each in all) all[each] -= 60000;
        localStorage["bramble.deleting"] = JSON.stringify(all);"""
    await person.page.evaluate(script)
    await expect(other.rows).to_have_count(2)
    await person.page.reload()
    await expect(other.rows).to_have_text(["say 2"])
    await person.unfold()
    await expect(person.rows).to_have_text(["say 2"])
    assert await person.page.evaluate("localStorage['bramble.deleting']") == "{}"


async def test_a_conversation_is_saved_as_a_file(
    daemon: Running, visit: Visit, tmp_path: Path
) -> None:
    person = await with_chats(visit, daemon, "say 1")
    await person.button("More for “say 1”").click()
    for name, words in (("Save as Markdown", "## You\n\nsay 1"), ("Save as JSON", '"say 1"')):
        async with person.page.expect_download() as download:
            await person.drawer.get_by_role("link", name=name).click()
        await (await download.value).save_as(tmp_path / "file")
        assert words in (tmp_path / "file").read_text()


async def test_a_conversation_is_shared_as_text(daemon: Running, visit: Visit) -> None:
    person = await with_chats(visit, daemon, "say 1")
    await person.page.evaluate(
        "() => { navigator.share = async ({ text }) => { document.body.title = text } }"
    )
    await person.button("More for “say 1”").click()
    await person.button("Share as text").click()
    shared = re.compile(r"## Bramble\n\n0字")
    await expect(person.page.locator("body")).to_have_attribute("title", shared)


async def test_beside_the_page_it_stays_until_it_is_closed(daemon: Running, visit: Visit) -> None:
    person = await with_chats(visit, daemon, "say 1", "say 2", **DESKTOP)
    await expect(person.input).to_be_focused()
    await person.rows.last.click()
    await expect(person.bubbles).to_have_text(["say 1"])
    await expect(person.drawer).to_be_visible()
    await person.button("Conversations").click()
    await person.page.reload()
    await person.ready()
    await expect(person.drawer).to_be_hidden()
    await person.unfold()
    await person.page.set_viewport_size({"width": 500, "height": 700})
    await expect(person.drawer).to_be_hidden()
    await person.unfold()
    await person.page.keyboard.press("Escape")
    await expect(person.drawer).to_be_hidden()


async def test_an_answer_goes_on_while_another_conversation_is_read(
    daemon: Running, visit: Visit
) -> None:
    person = await with_chats(visit, daemon, "say 1", **DESKTOP)
    await person.new_chat()
    await person.say("slow 60 0.02")
    await expect(person.texts.last).to_contain_text("5字")
    await person.rows.last.click()
    await expect(person.bubbles).to_have_text(["say 1"])
    await person.rows.first.click()
    await expect(person.bubbles).to_have_text(["slow 60 0.02"])
    await person.answered()
    text = "".join(f"{n}字 " for n in range(60))
    assert (await person.message())["text"] == text


async def test_two_windows_show_the_same_conversation_live(daemon: Running, visit: Visit) -> None:
    person = await with_chats(visit, daemon, "say 1")
    (cookie,) = await person.page.context.cookies()
    other = await visit(daemon.url, cookie=cookie.get("value"), **DESKTOP)
    await other.rows.first.click()
    await expect(other.bubbles).to_have_text(["say 1"])
    await person.page.keyboard.press("Escape")
    await person.say("slow 40 0.02")
    await expect(other.texts.last).to_contain_text("5字")
    await expect(other.stop).to_be_visible()
    await person.answered()
    await other.answered()
    assert (await other.message())["text"] == (await person.message())["text"] != ""
    await person.button("Answer again").click()
    await expect(other.answers.last).to_contain_text("2 of 2")
    await other.answered()
