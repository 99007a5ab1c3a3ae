"""Who answers: chosen for a new chat or a running one, written, changed and deleted, on every device."""

import json

from playwright.async_api import expect

from tests.daemons import Running
from tests.e2e.conftest import Visit
from tests.e2e.person import Person


async def turns(person: Person) -> list[str]:
    """What the model is given, as it says itself."""
    await person.ask("turns")
    return [turn["content"] for turn in json.loads((await person.message())["text"])]


async def test_a_role_answers_from_the_first_message_on(daemon: Running, visit: Visit) -> None:
    person = await (await visit(daemon.url)).ready()
    await person.button("Who answers").click()
    await expect(person.page.get_by_role("button", name="厨房帮手")).to_have_count(0)
    await person.page.get_by_role("button", name="Kitchen helper You help").click()
    await expect(person.page.get_by_role("dialog")).to_be_hidden()
    await expect(person.input).to_have_attribute("placeholder", "Write to Kitchen helper")
    assert (await turns(person))[0].startswith("You help at home in the kitchen.")
    await person.page.reload()
    await expect(person.input).to_have_attribute("placeholder", "Write to Kitchen helper")
    await person.new_chat()
    await expect(person.input).to_have_attribute("placeholder", "Write a message")


async def test_a_running_conversation_gets_another_role_on_all_devices(
    daemon: Running, visit: Visit
) -> None:
    person = await (await visit(daemon.url)).ready()
    await person.ask("say 1")
    (cookie,) = await person.page.context.cookies()
    other = await visit(
        f"{daemon.url}/{await person.page.evaluate('location.hash')}", cookie=cookie.get("value")
    )
    await expect(other.bubbles).to_have_text(["say 1"])
    await person.button("Who answers").click()
    await person.page.get_by_role("button", name="Storyteller You tell").click()
    for each in (person, other):
        await expect(each.input).to_have_attribute("placeholder", "Write to Storyteller")
    assert (await turns(other))[0].startswith("You tell short bedtime stories")
    await person.button("Storyteller answers here").click()
    chosen = person.page.get_by_role("button", name="Storyteller You tell")
    await expect(chosen).to_have_attribute("aria-pressed", "true")
    await person.page.get_by_role("button", name="Bramble As it is").click()
    await expect(person.input).to_have_attribute("placeholder", "Write a message")


async def test_a_role_of_ones_own_is_written_changed_and_deleted(
    daemon: Running, visit: Visit
) -> None:
    person = await (await visit(daemon.url)).ready()
    await person.button("Who answers").click()
    await person.button("Write a new role").click()
    await person.page.get_by_label("Name", exact=True).fill("Pirate")
    await person.page.get_by_label("What it is told").fill("You are a pirate.")
    await person.page.get_by_role("radio", name="Freely").check()
    await person.button("Save").click()
    await person.page.get_by_role("button", name="Pirate You are").click()
    assert (await turns(person))[0] == "You are a pirate."
    await person.ask("sampling")
    assert json.loads((await person.message())["text"])["temperature"] == 0.9
    await person.button("Pirate answers here").click()
    await person.button("Change “Pirate”").click()
    await expect(person.page.get_by_label("Name", exact=True)).to_have_value("Pirate")
    await person.page.get_by_label("What it is told").fill("You are a polite pirate.")
    await person.button("Save").click()
    await expect(person.page.get_by_role("button", name="Pirate You are a polite")).to_be_visible()
    await person.button("Change “Pirate”").click()
    await person.button("Delete").click()
    await expect(person.page.get_by_role("button", name="Pirate You are")).to_have_count(0)
    await person.page.keyboard.press("Escape")
    await expect(person.input).to_have_attribute("placeholder", "Write a message")


async def test_a_shipped_role_is_made_ones_own(daemon: Running, visit: Visit) -> None:
    person = await (await visit(daemon.url)).ready()
    await person.button("Who answers").click()
    await person.button("Make “Programmer” my own").click()
    await expect(person.page.get_by_label("Exactly")).to_be_checked()
    await expect(person.button("Delete")).to_be_hidden()
    await person.page.get_by_label("Name", exact=True).fill("Our programmer")
    await person.button("Save").click()
    await expect(person.page.get_by_role("button", name="Our programmer You are")).to_be_visible()
    await expect(person.button("Change “Our programmer”")).to_be_visible()
