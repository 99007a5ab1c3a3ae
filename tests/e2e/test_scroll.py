"""Reading while an answer is written: the page follows the end only while the reader is there."""

from playwright.async_api import expect

from tests.daemons import Running
from tests.e2e.conftest import Visit
from tests.e2e.person import Person


async def top(person: Person) -> float:
    """How far the conversation is scrolled."""
    return await person.page.locator("main").evaluate("(main) => main.scrollTop")


async def gap(person: Person) -> float:
    """How much there is below what is seen."""
    script = "(main) => main.scrollHeight - main.clientHeight - main.scrollTop"
    return await person.page.locator("main").evaluate(script)


async def test_the_end_is_followed_until_the_reader_leaves_it(
    daemon: Running, visit: Visit
) -> None:
    person = await (await visit(daemon.url, viewport={"width": 390, "height": 500})).ready()
    to_end = person.page.get_by_role("button", name="To the end")
    await person.say("slow 1000 0.01")
    await expect(person.texts.last).to_contain_text("200字")
    assert await gap(person) < 2
    await expect(to_end).to_be_hidden()

    await person.page.locator("main").hover()
    await person.page.mouse.wheel(0, -40)
    await expect(to_end).to_be_visible()
    before = await top(person)
    await expect(person.texts.last).to_contain_text("400字")
    assert await top(person) == before

    await to_end.click()
    await expect(to_end).to_be_hidden()
    await expect(person.texts.last).to_contain_text("500字")
    assert await gap(person) < 2
    await person.stop.click()


async def test_a_new_question_is_always_seen(daemon: Running, visit: Visit) -> None:
    person = await (await visit(daemon.url, viewport={"width": 390, "height": 500})).ready()
    await person.ask("say 300")
    await person.page.locator("main").evaluate("(main) => main.scrollTo(0, 0)")
    await person.ask("say 3")
    await expect(person.bubbles.last).to_be_in_viewport()
    assert await gap(person) < 2


async def test_the_first_example_is_not_scrolled_away(daemon: Running, visit: Visit) -> None:
    person = await (await visit(daemon.url, viewport={"width": 320, "height": 420})).ready()
    await person.input.fill("one\ntwo\nthree")
    assert await top(person) == 0
