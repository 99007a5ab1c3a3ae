"""A conversation with the real daemon and the real starter model, as on a first evening with it."""

import os
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.daemons import Live
from tests.e2e.conftest import Visit

LONG = "Tell me a long story about a lighthouse, a dragon and a girl who collects shells."
MOODS = 12
"""How often the model may try to answer with the list that shows the page at its best."""

pytestmark = pytest.mark.timeout(
    300
)  # a model of this size may talk to its limit, on a busy machine


async def test_a_question_is_answered_and_still_there_after_a_reload(
    live: Live, visit: Visit
) -> None:
    person = await (await visit(live.url)).ready()
    answer = await person.ask("What is the capital of France?")
    assert answer
    await person.button("Figures").click()
    await expect(person.answers.last).to_contain_text("tokens/s")
    await expect(person.answers.last).to_contain_text("tokens of room used")
    await person.page.reload()
    await expect(person.bubbles).to_have_text(["What is the capital of France?"])
    assert await person.texts.last.inner_text() == answer


async def test_an_answer_appears_while_it_is_written_and_can_be_stopped(
    live: Live, visit: Visit
) -> None:
    person = await (await visit(live.url)).ready()
    await person.say(LONG)
    await expect(person.state).to_have_text("answering")
    await expect(person.texts.last).not_to_be_empty()
    await person.stop.click()
    await expect(person.answers.last).to_contain_text("stopped by you")
    text = (await person.message())["text"]
    await person.page.reload()
    await expect(person.answers.last).to_contain_text("stopped by you")
    assert (await person.message())["text"] == text != ""


async def test_a_stopped_answer_goes_on_where_it_was(live: Live, visit: Visit) -> None:
    person = await (await visit(live.url)).ready()
    await person.say(LONG)
    await expect(person.texts.last).not_to_be_empty()
    await person.stop.click()
    await expect(person.answers.last).to_contain_text("stopped by you")
    before = (await person.message())["text"]
    await person.button("Go on").click()
    await expect(person.stop).to_be_visible()
    await expect(person.answers).to_have_count(1)
    while len((await person.message())["text"]) <= len(before):
        await person.page.wait_for_function("() => new Promise(requestAnimationFrame)")
    await person.stop.click()
    await person.answered()
    after = (await person.message())["text"]
    assert after.startswith(before)
    await person.page.reload()
    await expect(person.answers.last).to_contain_text("stopped by you")
    assert (await person.message())["text"] == after


async def test_a_new_chat_forgets_and_stays_new(live: Live, visit: Visit) -> None:
    person = await (await visit(live.url)).ready()
    await person.ask("My name is Ada.")
    await person.new_chat()
    await expect(person.page.get_by_text("Ask a question")).to_be_visible()
    await expect(person.bubbles).to_have_count(0)
    await person.page.reload()
    await person.ready()
    await expect(person.bubbles).to_have_count(0)


async def test_an_example_is_asked_by_touching_it(live: Live, visit: Visit) -> None:
    person = await (await visit(live.url)).ready()
    example = person.page.locator("#examples button").first
    question = await example.inner_text()
    await example.tap()
    await expect(person.bubbles).to_have_text([question])
    await person.answered()
    assert await person.texts.last.inner_text()


async def test_two_pictures_for_the_readme(live: Live, visit: Visit, pictures: Path) -> None:
    person = await (await visit(live.url, viewport={"width": 390, "height": 760})).ready()
    for _ in range(MOODS if "BRAMBLE_SCREENSHOTS" in os.environ else 1):
        await person.new_chat()
        await person.ask("Give me three tips for growing tomatoes on a balcony.")
        if await person.page.locator(".text > ol:only-child > li").count() == 3:
            break
    await person.page.evaluate("document.activeElement.blur()")
    await person.page.screenshot(path=pictures / "page.png")
    await person.page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    await person.page.set_viewport_size({"width": 1100, "height": 640})
    await person.unfold()
    await person.button("Figures").click()
    await person.page.evaluate("document.activeElement.blur()")
    await person.page.screenshot(path=pictures / "desktop.png", scale="css")
    for picture in pictures.glob("*.png"):
        assert picture.stat().st_size > 10_000
