"""The link between page and daemon: lost, found again, and nothing lost or doubled by it."""

import asyncio

from aiohttp import ClientSession
from playwright.async_api import expect

from tests.conftest import Start
from tests.daemons import DEADLINE, Running
from tests.e2e.conftest import Visit
from tests.e2e.person import Person
from tests.e2e.proxy import cable
from tests.page import page


def pieces(count: int) -> str:
    """What the fake engine answers to `say count` and to `slow count`."""
    return "".join(f"{number}字 " for number in range(count))


async def stored(daemon: Running, person: Person) -> list[str]:
    """The texts of this person's conversation as the daemon has them."""
    conversation = await person.page.evaluate("localStorage['bramble.conversation']")
    cookies = await person.page.context.cookies()
    (key,) = (each.get("value") for each in cookies if each.get("name") == "bramble")
    async with (
        ClientSession(headers={"Cookie": f"bramble={key}"}) as http,
        page(http, daemon.url) as socket,
    ):
        return [message["text"] for message in (await socket.open(conversation))["messages"]]


async def test_an_answer_is_whole_though_the_link_was_lost_in_it(
    daemon: Running, visit: Visit
) -> None:
    async with cable() as link:
        link.plug(daemon.url)
        person = await (await visit(link.url, loses_link=True)).ready()
        await person.say("slow 150 0.02")
        await expect(person.texts.last).to_contain_text("20字")
        link.pull()
        await expect(person.state).to_have_text("offline: reconnecting…")
        await expect(person.answers.last).to_contain_text("goes on as soon as it is back")
        link.plug(daemon.url)
        await person.answered()
        assert (await person.message())["text"] == pieces(150)
        assert await stored(daemon, person) == ["slow 150 0.02", pieces(150)]


async def test_what_is_said_without_a_link_is_sent_once_when_it_is_back(
    daemon: Running, visit: Visit
) -> None:
    async with cable() as link:
        link.plug(daemon.url)
        person = await (await visit(link.url, loses_link=True)).ready()
        link.pull()
        await expect(person.state).to_have_text("offline: reconnecting…")
        await person.say("say 3")
        await expect(person.answers.last).to_contain_text("Not sent yet")
        link.plug(daemon.url)
        await expect(person.texts.last).to_have_text(pieces(3).strip())
        assert await stored(daemon, person) == ["say 3", pieces(3)]


async def test_what_was_said_without_a_link_outlives_a_reload_and_is_said_once(
    daemon: Running, visit: Visit
) -> None:
    async with cable() as link:
        link.plug(daemon.url)
        person = await (await visit(link.url, loses_link=True)).ready()
        await person.ask("say 1")
        silence = "() => { WebSocket.prototype.send = () => {} }"
        await person.page.evaluate(silence)
        await person.say("say 3")
        await expect(person.answers.last).to_contain_text("Sending")
        await person.page.reload()
        await expect(person.texts.last).to_have_text(pieces(3).strip())
        await person.page.reload()
        await person.ready()
        await expect(person.bubbles).to_have_text(["say 1", "say 3"])
        assert await stored(daemon, person) == ["say 1", pieces(1), "say 3", pieces(3)]


async def test_a_page_that_slept_has_all_of_its_answer(daemon: Running, visit: Visit) -> None:
    person = await (await visit(daemon.url, loses_link=True)).ready()
    browser = await person.devtools()
    await person.say("slow 100 0.01")
    await expect(person.texts.last).to_contain_text("5字")
    await browser.send("Page.setWebLifecycleState", {"state": "frozen"})
    async with ClientSession() as http:
        async with asyncio.timeout(DEADLINE):
            while daemon.daemon.scheduler.running:
                await asyncio.sleep(0.02)
        async with http.get(f"{daemon.url}/healthz") as response:
            assert response.status == 200
    await browser.send("Page.setWebLifecycleState", {"state": "active"})
    await person.answered()
    assert (await person.message())["text"] == pieces(100)


async def test_offline_is_said_and_online_again_is_noticed_at_once(
    daemon: Running, visit: Visit
) -> None:
    async with cable() as link:
        link.plug(daemon.url)
        person = await (await visit(link.url, loses_link=True)).ready()
        await person.ask("say 1")
        link.pull()
        await expect(person.state).to_have_text("offline: reconnecting…")
        await person.button("Answer again").click()
        await expect(person.note).to_have_text(
            "There is no connection now. Try again when it is back."
        )
        await person.unfold()
        await person.page.get_by_role("searchbox").fill("say")
        await expect(person.drawer).to_contain_text("goes on when the connection is back")
        link.plug(daemon.url)
        await person.page.evaluate("dispatchEvent(new Event('online'))")
        await person.ready()
        await expect(person.drawer.locator(".hit").first).to_be_visible()


async def test_a_daemon_that_starts_again_is_found_with_all_it_stored(
    start: Start, visit: Visit
) -> None:
    async with cable() as link:
        async with start(["server.drain=0"]) as first:
            link.plug(first.url)
            person = await (await visit(link.url, loses_link=True)).ready()
            await person.ask("say 3")
            await person.say("slow 1000 0.02")
            await expect(person.texts.last).to_contain_text("9字")
            link.pull()
        async with start(["chat.continue_after_restart=false"]) as second:
            link.plug(second.url)
            await person.ready()
            await expect(person.answers.last).to_contain_text("interrupted")
            before = (await stored(second, person))[-1]
            assert before and pieces(1000).startswith(before)
            assert (await person.message())["text"] == before


async def test_a_conversation_that_is_gone_becomes_a_new_one_quietly(
    daemon: Running, visit: Visit
) -> None:
    person = await (await visit(daemon.url)).ready()
    await person.page.evaluate("localStorage['bramble.conversation'] = 'long-gone'")
    await person.page.reload()
    await expect(person.page.get_by_text("Ask a question")).to_be_visible()
    assert await person.ask("say 2") == "0字 1字"
    assert await stored(daemon, person) == ["say 2", pieces(2)]


async def test_loading_is_said_and_a_message_waits_for_it(start: Start, visit: Visit) -> None:
    async with start(["server.drain=0"], ["--slow-load"]) as daemon:
        person = await visit(daemon.url, loses_link=True)
        await expect(person.state).to_have_text("loading 50 %")
        await person.say("say 3")
        await expect(person.answers.last).to_contain_text("still loading")


async def test_a_queue_is_told_with_the_place_in_it(start: Start, visit: Visit) -> None:
    async with start(["engine.slots=1"]) as daemon:
        first, second = (
            await visit(daemon.url, loses_link=True),
            await visit(daemon.url, loses_link=True),
        )
        await (await first.ready()).say("slow 1000 0.02")
        await expect(first.texts.last).to_contain_text("3字")
        await second.say("say 3")
        await expect(second.answers.last).to_contain_text("You are next.")
        await expect(second.state).to_have_text("busy: you are next")
        await first.stop.click()
        await expect(second.texts.last).to_have_text(pieces(3).strip())


async def test_a_lost_engine_is_told_in_words_and_the_question_asked_again(
    daemon: Running, visit: Visit
) -> None:
    person = await (await visit(daemon.url)).ready()
    await person.say("die 0")
    await expect(person.answers.last).to_contain_text("The model stopped")
    await person.button("Try again").click()
    await expect(person.bubbles).to_have_text(["die 0"])
    await expect(person.answers.last).to_contain_text("The model stopped")


async def test_a_message_too_long_for_the_model_comes_back_to_be_shortened(
    start: Start, visit: Visit
) -> None:
    async with start(engine=["--refuse-above", "1"]) as daemon:
        person = await (await visit(daemon.url, loses_link=True)).ready()
        await person.say("say 3")
        await expect(person.answers.last).to_contain_text("Your message is too long")
        await person.button("Edit the message").click()
        await expect(person.page.get_by_role("textbox")).to_have_value("say 3")
