"""Answers that were not computed now say so, and what happened to the store is said on the page."""

from pathlib import Path

from playwright.async_api import expect

from bramble.engine.client import Phase
from tests.daemons import running
from tests.e2e.conftest import Visit


async def test_known_answers_are_marked_and_asking_again_computes(
    tmp_path: Path, visit: Visit
) -> None:
    faq = tmp_path / "faq.yaml"
    faq.write_text("- question: Who are you?\n  answer: The **house** itself.\n")
    settings = ["server.drain=0", "cache.enabled=true", f"cache.faq={faq}"]
    async with running(tmp_path / "state", settings) as daemon:
        await daemon.until(Phase.READY)
        person = await (await visit(daemon.url, loses_link=True)).ready()
        assert await person.ask("Who are you?") == "The house itself."
        await expect(person.answers.last).to_contain_text("written for this question")
        await person.new_chat()
        first = await person.ask("say 3")
        await expect(person.answers.last).not_to_contain_text("not computed again")
        await person.new_chat()
        assert await person.ask("say 3") == first
        await expect(person.answers.last).to_contain_text("not computed again")
        await person.page.reload()
        await expect(person.answers.last).to_contain_text("not computed again")
        await person.button("Answer again").click()
        await expect(person.answers.last).to_contain_text("2 of 2")
        await person.answered()
        await expect(person.answers.last).not_to_contain_text("not computed again")


async def test_a_damaged_store_is_told(tmp_path: Path, visit: Visit) -> None:
    (tmp_path / "bramble.sqlite").write_bytes(b"no database " * 1000)
    async with running(tmp_path, ["server.drain=0"]) as daemon:
        await daemon.until(Phase.READY)
        person = await (await visit(daemon.url, loses_link=True)).ready()
        await expect(person.page.locator("#guard")).to_contain_text("was damaged. 0 messages")
