"""What people do on the page, with the real daemon and the starter model.

What a model cannot do on demand is in the other files.
"""

import asyncio
import json
import re
from pathlib import Path

import psutil
import pytest
from playwright.async_api import expect

from tests.daemons import DEADLINE, Live
from tests.e2e.conftest import DESKTOP, Visit
from tests.e2e.person import Person
from tests.e2e.test_conversation import LONG
from tests.e2e.test_people import reach

FRANCE, SKY = "What is the capital of France?", "Why is the sky blue? Answer in one sentence."
SHARE = "() => { navigator.share = async ({ text }) => { document.body.title = text } }"

pytestmark = pytest.mark.timeout(300)


async def asked(visit: Visit, live: Live, *texts: str, **options: object) -> Person:
    """Somebody who has had these questions answered, each in a conversation of its own."""
    person = await (await visit(live.url, **options)).ready()
    for text in texts:
        await person.new_chat()
        await person.ask(text)
    return person


async def beside(visit: Visit, live: Live, person: Person) -> Person:
    """The same person on another device, with the same conversation open."""
    (cookie,) = await person.page.context.cookies()
    place = await person.page.evaluate("location.hash")
    return await visit(f"{live.url}/{place}", cookie=cookie.get("value"), **DESKTOP)


async def test_answers_have_versions(live: Live, visit: Visit) -> None:
    person = await asked(visit, live, FRANCE)
    first = (await person.message())["text"]
    await person.button("Answer again").click()
    await expect(person.answers.last).to_contain_text("2 of 2")
    await person.answered()
    second = (await person.message())["text"]
    assert first and second
    await person.button("Earlier version").click()
    await expect(person.answers.last).to_contain_text("1 of 2")
    assert (await person.message())["text"] == first
    await person.page.reload()
    await expect(person.answers.last).to_contain_text("1 of 2")
    await person.button("Later version").click()
    await expect(person.answers.last).to_contain_text("2 of 2")
    assert (await person.message())["text"] == second


async def test_a_changed_question_is_answered_on_a_branch(live: Live, visit: Visit) -> None:
    person = await asked(visit, live, FRANCE)
    await person.ask("And of Italy?")
    texts = [(await person.message(at))["text"] for at in (1, 3)]
    await person.page.get_by_role("button", name="Change this message").first.click()
    changed = person.page.get_by_role("textbox", name="Your changed message")
    await changed.fill(SKY)
    await changed.press("Enter")
    await person.answered()
    await expect(person.bubbles).to_have_text([SKY])
    assert (await person.message())["text"]
    await person.button("Earlier version").click()
    await expect(person.bubbles).to_have_text([FRANCE, "And of Italy?"])
    assert [(await person.message(at))["text"] for at in (1, 3)] == texts


async def test_what_was_answered_is_shared_and_saved(
    live: Live, visit: Visit, tmp_path: Path
) -> None:
    person = await asked(visit, live, FRANCE)
    answer = (await person.message())["text"]
    await person.page.evaluate(SHARE)
    await person.page.get_by_role("button", name="Share", exact=True).click()
    body = person.page.locator("body")
    await expect(body).to_have_attribute("title", f"{FRANCE}\n\n{answer}")
    await person.unfold()
    await person.button(f"More for “{FRANCE}”").click()
    for name in ("Save as Markdown", "Save as JSON"):
        async with person.page.expect_download() as download:
            await person.drawer.get_by_role("link", name=name).click()
        await (await download.value).save_as(tmp_path / name)
    assert answer.strip() in (tmp_path / "Save as Markdown").read_text()
    assert json.loads((tmp_path / "Save as JSON").read_text())["messages"][1]["text"] == answer


async def test_an_answer_is_found_renamed_deleted_and_had_back(live: Live, visit: Visit) -> None:
    person = await asked(visit, live, FRANCE)
    answer = await person.texts.last.inner_text()
    word = max(re.findall("[a-z]+", answer), key=len)
    await person.new_chat()
    await person.ask(SKY)
    await person.unfold()
    await expect(person.rows).to_have_text([SKY, FRANCE])
    await person.page.get_by_role("searchbox").fill(word.upper())
    hit = person.drawer.locator(".hit").filter(has_text=FRANCE).first
    await expect(hit).to_contain_text(word, ignore_case=True)
    await hit.click()
    await expect(person.bubbles).to_have_text([FRANCE])
    await person.unfold()
    await person.page.get_by_role("searchbox").fill("")
    await person.button(f"More for “{FRANCE}”").click()
    await person.button("Rename").click()
    name = person.page.get_by_role("textbox", name="Name of the conversation")
    await name.fill("Capitals")
    await name.press("Enter")
    await expect(person.rows).to_have_text([SKY, "Capitals"])
    await person.button("More for “Capitals”").click()
    await person.button("Delete").click()
    await expect(person.rows).to_have_text([SKY])
    await person.button("Undo").click()
    await expect(person.rows).to_have_text([SKY, "Capitals"])
    await expect(person.texts.last).to_have_text(answer)


async def test_two_devices_see_the_same_answer_grow(live: Live, visit: Visit) -> None:
    person = await asked(visit, live, FRANCE)
    other = await beside(visit, live, person)
    await expect(other.bubbles).to_have_text([FRANCE])
    await person.say(LONG)
    await expect(other.bubbles).to_have_count(2)
    await expect(other.texts.last).not_to_be_empty()
    await expect(other.stop).to_be_visible()
    await other.stop.click()
    await expect(person.answers.last).to_contain_text("stopped by you")
    assert (await other.message())["text"] == (await person.message())["text"] != ""


async def test_an_answer_is_written_on_while_another_one_is_read(live: Live, visit: Visit) -> None:
    person = await asked(visit, live, FRANCE, **DESKTOP)
    await person.unfold()
    await person.new_chat()
    await person.say(LONG)
    await expect(person.texts.last).not_to_be_empty()
    early = (await person.message())["text"]
    await person.rows.last.click()
    await expect(person.bubbles).to_have_text([FRANCE])
    await person.rows.first.click()
    await expect(person.bubbles).to_have_text([LONG])
    await person.answered()
    text = (await person.message())["text"]
    assert text.startswith(early) and len(text) > len(early)
    await person.page.reload()
    await expect(person.bubbles).to_have_text([LONG])
    assert (await person.message())["text"] == text


async def test_a_role_of_ones_own_answers(live: Live, visit: Visit) -> None:
    person = await asked(visit, live, FRANCE)
    usual = (await person.message())["stats"]["prompt_tokens"]
    await person.new_chat()
    await person.button("Who answers").click()
    await person.button("Write a new role").click()
    await person.page.get_by_label("Name", exact=True).fill("Poet")
    await person.page.get_by_label("What it is told").fill("You are a poet. " + "La la la! " * 40)
    await person.button("Save").click()
    await person.page.get_by_role("button", name="Poet You are").click()
    await expect(person.input).to_have_attribute("placeholder", "Write to Poet")
    await person.ask(FRANCE)
    assert (await person.message())["stats"]["prompt_tokens"] > usual + 100
    await person.page.reload()
    await expect(person.input).to_have_attribute("placeholder", "Write to Poet")


async def test_an_input_method_s_enter_sends_nothing(live: Live, visit: Visit) -> None:
    person = await (await visit(live.url)).ready()
    await person.input.focus()
    tell = (await person.devtools()).send
    composition = {"text": "ni hao", "selectionStart": 6, "selectionEnd": 6}
    enter = {"type": "rawKeyDown", "key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13}
    await tell("Input.imeSetComposition", composition)
    await tell("Input.dispatchKeyEvent", enter)
    await expect(person.bubbles).to_have_count(0)
    await tell("Input.insertText", {"text": "你好，请介绍一下长城。"})
    await person.page.keyboard.press("Enter")
    await expect(person.bubbles).to_have_text(["你好，请介绍一下长城。"])
    await person.answered()
    await expect(person.bubbles.last).to_have_attribute("lang", "zh-CN")
    assert await person.texts.last.inner_text()


async def test_keys_alone_are_enough(live: Live, visit: Visit) -> None:
    person = await (await visit(live.url, **DESKTOP)).ready()
    keys = person.page.keyboard
    await keys.type(FRANCE)
    await keys.press("Enter")
    await expect(person.answers).to_have_count(1)
    await person.answered()
    await reach(person, "Answer again", "Shift+Tab")
    await keys.press("Enter")
    await expect(person.answers.last).to_contain_text("2 of 2")
    await person.answered()
    await keys.press("Control+k")
    await keys.type("France")
    await expect(person.drawer.locator(".hit").first).to_be_visible()
    await keys.press("Escape")
    await keys.press("Control+Shift+O")
    await expect(person.bubbles).to_have_count(0)
    await expect(person.input).to_be_focused()
    await keys.type(LONG)
    await keys.press("Enter")
    await expect(person.texts.last).not_to_be_empty()
    await keys.press("Escape")
    await expect(person.answers.last).to_contain_text("stopped by you")


async def test_what_is_typed_is_read_before_it_is_sent(live: Live, visit: Visit) -> None:
    person = await (await visit(live.url)).ready()
    draft = "Please remember this list for me: " + ", ".join(f"item {n}" for n in range(60))
    (engine,) = psutil.Process(live.process.pid).children()
    before = worked = engine.cpu_times().user
    await person.input.fill(draft)
    async with asyncio.timeout(DEADLINE):  # until the engine has worked, and rests again
        while worked == before or engine.cpu_times().user > worked:
            worked = engine.cpu_times().user
            await asyncio.sleep(0.3)
    await person.input.press("Enter")
    await person.answered()
    stats = (await person.message())["stats"]
    assert stats["cached_tokens"] > 0.8 * stats["prompt_tokens"]


async def test_the_reader_stays_where_they_are(live: Live, visit: Visit) -> None:
    person = await (await visit(live.url, viewport={"width": 390, "height": 420})).ready()
    main = person.page.locator("main")
    await person.say(LONG)
    script = "() => { const main = document.querySelector('main'); return main.scrollHeight > main.clientHeight + 120 }"
    await person.page.wait_for_function(script)
    gap = "(main) => main.scrollHeight - main.clientHeight - main.scrollTop"
    assert await main.evaluate(gap) < 2
    await main.hover()
    await person.page.mouse.wheel(0, -60)
    to_end = person.page.get_by_role("button", name="To the end")
    await expect(to_end).to_be_visible()
    top, length = await main.evaluate("(main) => [main.scrollTop, main.scrollHeight]")
    await person.page.wait_for_function(
        "(length) => document.querySelector('main').scrollHeight > length + 40", arg=length
    )
    assert await main.evaluate("(main) => main.scrollTop") == top
    await to_end.click()
    await expect(to_end).to_be_hidden()
    await person.stop.click()
    await person.answered()


async def test_sentences_are_heard_once_each(live: Live, visit: Visit) -> None:
    person = await (await visit(live.url)).ready()
    await person.listen()
    answer = await person.ask("Tell me three short sentences about cats.")
    heard = "".join(await person.heard())
    letters = ["".join(filter(str.isalpha, each)) for each in (heard, f"Answer: {answer}")]
    assert letters[0] == letters[1]


async def test_a_draft_stays_over_a_reload_and_the_answer_it_waits_for(
    live: Live, visit: Visit
) -> None:
    person = await (await visit(live.url)).ready()
    await person.say(LONG)
    await expect(person.texts.last).not_to_be_empty()
    await person.input.fill("And then?")
    await person.page.reload()
    await expect(person.input).to_have_value("And then?")
    await expect(person.stop).to_be_visible()
    await person.answered()
    text = (await person.message())["text"]
    await person.page.reload()
    await expect(person.bubbles).to_have_text([LONG])
    assert (await person.message())["text"] == text != ""
