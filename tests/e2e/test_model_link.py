"""What comes between people and the starter model: lost links, sleep, restarts, a queue, a full context, a swap."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest
import yaml
from aiohttp import ClientSession
from playwright.async_api import expect

from bramble.models.catalogue import OWN, find
from bramble.models.library import location
from tests.daemons import DEADLINE, Live
from tests.e2e.conftest import DESKTOP, Visit
from tests.e2e.person import Person
from tests.e2e.proxy import cable
from tests.e2e.test_admin import Admin
from tests.e2e.test_conversation import LONG
from tests.e2e.test_door import PASSWORD, REFUSED, claim, sign_in
from tests.page import page

LONGER = "chat.max_tokens=600"

pytestmark = pytest.mark.timeout(300)


class House:
    """Where a daemon with the real model keeps its things; each `start` ends the one before."""

    def __init__(self, folder: Path, starter: Path) -> None:
        self.folder, self._starter = folder, starter
        self.live: Live | None = None

    def start(self, *settings: str) -> Live:
        """Serve, until the test ends or another one is started."""
        self.end()
        self.live = Live(self.folder, f"engine.model={self._starter}", *settings)
        self.live.until_ready()
        return self.live

    def written(self) -> str:
        """What stands on the disk of the newest answer."""
        with closing(sqlite3.connect(self.folder / "bramble.sqlite")) as database:
            parts = database.execute("SELECT text FROM parts ORDER BY rowid").fetchall()
            return "".join(text for (text,) in parts)

    def end(self) -> None:
        if self.live is not None and self.live.process.poll() is None:
            self.live.end()


@pytest.fixture
def house(tmp_path: Path, starter: Path) -> Iterator[House]:
    house = House(tmp_path, starter)
    yield house
    house.end()


async def stored(url: str, person: Person) -> list[str]:
    """The texts of this person's conversation as the daemon has them."""
    conversation = await person.page.evaluate("localStorage['bramble.conversation']")
    (key,) = [each.get("value") for each in await person.page.context.cookies()]
    cookie = {"Cookie": f"bramble={key}"}
    async with ClientSession(headers=cookie) as http, page(http, url) as socket:
        return [message["text"] for message in (await socket.open(conversation))["messages"]]


async def begun(person: Person, letters: int = 1) -> str:
    """Wait until the answer has so many letters; returns its text."""
    script = "(least) => (document.querySelector('.bramble:last-child .text')?.textContent ?? '').length >= least"
    await person.page.wait_for_function(script, arg=letters)
    return (await person.message())["text"]


async def test_a_lost_link_loses_and_doubles_nothing(live: Live, visit: Visit) -> None:
    async with cable() as link:
        link.plug(live.url)
        person = await (await visit(link.url, loses_link=True)).ready()
        await person.say(LONG)
        early = await begun(person, 20)
        link.pull()
        await expect(person.state).to_have_text("offline: reconnecting…")
        link.plug(live.url)
        await person.answered()
        text = (await person.message())["text"]
        assert text.startswith(early) and len(text) > len(early)
        assert await stored(live.url, person) == [LONG, text]
        link.pull()
        await expect(person.state).to_have_text("offline: reconnecting…")
        await person.say("And then?")
        await expect(person.answers.last).to_contain_text("Not sent yet")
        link.plug(live.url)
        await begun(person)
        await person.answered()
        texts = await stored(live.url, person)
        assert texts[:3] == [LONG, text, "And then?"] and len(texts) == 4


async def test_a_phone_that_slept_has_all_of_it(live: Live, visit: Visit) -> None:
    person = await (await visit(live.url, loses_link=True)).ready()
    browser = await person.devtools()
    await person.say(LONG)
    early = await begun(person, 5)
    await browser.send("Page.setWebLifecycleState", {"state": "frozen"})
    async with ClientSession() as http, page(http, live.url) as other:
        await other.state(running=0)
    await browser.send("Page.setWebLifecycleState", {"state": "active"})
    await person.answered()
    text = (await person.message())["text"]
    assert text.startswith(early) and len(text) > len(early)
    assert await stored(live.url, person) == [LONG, text]


async def test_an_engine_that_dies_is_a_pause(house: House, visit: Visit) -> None:
    live = house.start(LONGER)
    person = await (await visit(live.url)).ready()
    await person.say(LONG)
    early = await begun(person, 40)
    (engine,) = psutil.Process(live.process.pid).children()
    engine.kill()
    await begun(person, len(early) + 100)
    await expect(person.note).to_be_hidden()
    await person.stop.click()
    await person.answered()
    text = (await person.message())["text"]
    assert text.startswith(early)
    assert await stored(live.url, person) == [LONG, text]


async def test_a_pulled_plug_is_an_answer_that_goes_on(house: House, visit: Visit) -> None:
    async with cable() as link:
        live = house.start("chat.max_tokens=2000")
        link.plug(live.url)
        person = await (await visit(link.url, loses_link=True)).ready()
        await person.say(LONG)
        async with asyncio.timeout(DEADLINE):
            while not (early := house.written()):
                await asyncio.sleep(0.05)
        with live.process:
            link.pull()
            live.process.kill()
        link.plug(house.start("chat.max_tokens=2000").url)
        await begun(person, len(early) + 50)
        await person.stop.click()
        await person.answered()
        assert (await person.message())["text"].startswith(early)


async def test_who_waits_is_told_the_place(house: House, visit: Visit) -> None:
    live = house.start(LONGER, "engine.slots=1")
    first = await (await visit(live.url)).ready()
    await first.say(LONG)
    await begun(first)
    second = await visit(live.url)
    await second.say("Hello!")
    await expect(second.answers.last).to_contain_text("You are next.")
    await expect(second.state).to_have_text("busy: you are next")
    await first.stop.click()
    await begun(second)
    await second.answered()


async def test_what_no_longer_fits_is_left_out_and_said(house: House, visit: Visit) -> None:
    live = house.start("engine.context=512", "chat.max_tokens=100")
    person = await (await visit(live.url)).ready()
    left_out = person.page.get_by_text("no longer fitted")
    for _ in range(12):
        await person.ask(LONG)
        if await left_out.count():
            break
    await expect(left_out.last).to_be_visible()
    await person.new_chat()
    question = "word " * 999 + "word"
    await person.say(question)
    await expect(person.answers.last).to_contain_text("Your message is too long")
    await person.button("Edit the message").click()
    await expect(person.page.get_by_role("textbox")).to_have_value(question)


async def test_a_model_at_rest_is_woken(house: House, visit: Visit) -> None:
    live = house.start("engine.idle_unload=1")
    person = await visit(live.url)
    await expect(person.state).to_have_text("asleep: your question wakes it")
    daemon = psutil.Process(live.process.pid)
    psutil.wait_procs(daemon.children(), DEADLINE)  # it writes down first what it would forget
    assert daemon.children() == []
    assert await person.ask("What is the capital of France?")


async def test_known_answers_are_told_from_computed_ones(house: House, visit: Visit) -> None:
    faq = house.folder / "faq.yaml"
    faq.write_text("- question: Who are you?\n  answer: The **house** itself.\n")
    plain = "chat.system_prompt=You are a helpful AI assistant named Bramble."
    live = house.start("cache.enabled=true", f"cache.faq={faq}", plain, "chat.temperature=0")
    person = await (await visit(live.url)).ready()
    assert await person.ask("Who are you?") == "The house itself."
    await expect(person.answers.last).to_contain_text("written for this question")
    await person.new_chat()
    first = await person.ask("What is the capital of France?")
    await person.new_chat()
    assert await person.ask("what is the capital of france") == first
    await expect(person.answers.last).to_contain_text("not computed again")
    await person.button("Answer again").click()
    await expect(person.answers.last).to_contain_text("2 of 2")
    await person.answered()
    await expect(person.answers.last).not_to_contain_text("not computed again")


async def test_the_admin_changes_the_model_while_somebody_is_answered(
    house: House, starter: Path, visit: Visit
) -> None:
    folder = house.folder / "models"
    folder.mkdir()
    location(find("starter"), folder).symlink_to(starter)
    (folder / "another.gguf").symlink_to(starter)
    told = find("starter")
    another = {
        "title": "Another",
        "about": "The starter under another name.",
        "licence": "Apache-2.0",
        "file": "another.gguf",
        "size": told.size,
        "sha256": told.sha256,
        "source": {"kind": "url", "url": "https://example.org/another.gguf"},
    }
    (folder / OWN).write_text(yaml.safe_dump({"models": {"another": another}}))
    claim(house.folder)
    live = house.start("chat.max_tokens=250", f"models_dir={folder}")
    person = await (await visit(live.url, loses_link=True)).ready()
    await person.say(LONG)
    early = await begun(person, 40)
    other = await visit(live.url, forgives=REFUSED, loses_link=True, **DESKTOP)
    await other.button("Settings").click()
    await other.button("Sign in").click()
    await sign_in(other, "admin", PASSWORD)
    await other.button("Settings").click()
    await other.button("Look after the appliance").click()
    panel = await Admin(other).open("Models")
    row = panel.get_by_role("listitem").filter(has_text="under another name")
    await row.get_by_role("button", name="Answer with it").click()
    await expect(row).to_contain_text("answers now")
    await person.answered()
    assert (await person.message())["text"].startswith(early)
    assert await person.ask("What is the capital of France?")
