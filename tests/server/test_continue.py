"""Answers that broke off: shown as far as they got, and gone on with exactly there, on request or by themselves."""

import sqlite3
from pathlib import Path

import pytest
from aiohttp import ClientSession

from tests.conftest import Start
from tests.daemons import SOMEBODY, Live, Running
from tests.page import Frame, Page, page

WHOLE = "".join(f"{n}字 " for n in range(60))
ALONE_NOT = "chat.continue_after_restart=false"


async def stopped(page: Page, pieces: int = 5) -> Frame:
    """An answer of sixty pieces that was stopped on the way; returns its `said`."""
    said = await page.say("slow 60 0.01")
    await page.piece(pieces)
    await page.send("stop", answer=said["answer"])
    await page.until("done", reason="stopped")
    return said


async def last(page: Page, conversation: str) -> Frame:
    return (await page.open(conversation))["messages"][-1]


async def go_on(page: Page, conversation: str) -> tuple[Frame, str]:
    """Continue the last answer; returns its `done` and all of its text as it was told."""
    message = (await last(page, conversation))["id"]
    await page.send("continue", conversation=conversation, message=message)
    shown = await page.until("conversation", conversation=conversation)
    assert shown["messages"][-1] == {
        "id": message,
        "role": "assistant",
        "text": "",
        "status": "writing",
    }
    done = await page.until("done", answer=shown["answer"])
    return done, page.text(shown["answer"])


async def test_a_stopped_answer_goes_on_where_it_was(daemon: Running) -> None:
    async with page(daemon.http, daemon.url) as one:
        said = await stopped(one)
        before = await last(one, said["conversation"])
        done, text = await go_on(one, said["conversation"])
        assert text == WHOLE
        assert (done["reason"], done["message"]) == ("stop", before["id"])
        assert done["usage"]["completion_tokens"] == 60
        after = await last(one, said["conversation"])
        tokens = done["usage"]["prompt_tokens"] + 60
        assert after == {**before, "text": WHOLE, "status": "whole", "tokens": tokens}


async def test_it_can_be_stopped_and_gone_on_with_again_and_again(daemon: Running) -> None:
    async with page(daemon.http, daemon.url) as one:
        said = await stopped(one)
        for _ in range(3):
            message = await last(one, said["conversation"])
            await one.send("continue", conversation=said["conversation"], message=message["id"])
            answer = (await one.until("conversation"))["answer"]
            await one.piece(4)
            await one.send("stop", answer=answer)
            await one.until("done", answer=answer)
            now = (await last(one, said["conversation"]))["text"]
            assert now == WHOLE[: len(now)]
            assert len(now) > len(message["text"])
        _, text = await go_on(one, said["conversation"])
        assert text == WHOLE


async def test_an_answer_that_became_too_long_goes_on(start: Start) -> None:
    async with start(["chat.max_tokens=25"]) as daemon, page(daemon.http, daemon.url) as one:
        done, text = await one.ask("slow 60 0")
        assert (done["reason"], done["n"]) == ("length", 25)
        conversation = next(f for f in one.frames if f["type"] == "said")["conversation"]
        done, text = await go_on(one, conversation)
        assert (done["reason"], done["usage"]["completion_tokens"]) == ("length", 50)
        done, text = await go_on(one, conversation)
        assert (done["reason"], text) == ("stop", WHOLE)


async def test_a_restart_goes_on_by_itself_and_its_pages_see_it(start: Start) -> None:
    async with start(["server.drain=0"]) as daemon, page(daemon.http, daemon.url) as one:
        said = await one.say("slow 60 0.02")
        await one.piece(10)
    async with start() as daemon, page(daemon.http, daemon.url) as one:
        shown = await one.open(said["conversation"])
        if shown["messages"][-1]["status"] == "interrupted":  # the model is not loaded yet
            assert WHOLE.startswith(shown["messages"][-1]["text"]) != ""
            shown = await one.until("conversation")
        await one.until("done", answer=shown["answer"], reason="stop")
        assert one.text(shown["answer"]) == WHOLE


async def test_without_that_it_waits_for_a_word(start: Start) -> None:
    async with start(["server.drain=0"]) as daemon, page(daemon.http, daemon.url) as one:
        said = await one.say("slow 60 0.02")
        await one.piece(10)
    async with start([ALONE_NOT]) as daemon, page(daemon.http, daemon.url) as one:
        message = await last(one, said["conversation"])
        assert message["status"] == "interrupted"
        assert WHOLE.startswith(message["text"])
        assert len(message["text"]) >= len("0字 ") * 10
        await one.state(phase="ready")
        _, text = await go_on(one, said["conversation"])
        assert text == WHOLE


async def test_only_what_broke_off_at_the_end_of_a_branch_goes_on(daemon: Running) -> None:
    async with page(daemon.http, daemon.url) as one:
        said = await stopped(one)
        conversation, question = said["conversation"], said["message"]
        broken = (await last(one, conversation))["id"]
        await one.ask("say 1", conversation)
        whole = (await last(one, conversation))["id"]
        async with ClientSession() as http, page(http, daemon.url) as stranger:
            await stranger.send("continue", conversation=conversation, message=broken)
            assert (await stranger.until("error"))["code"] == "not_found"
        for message, code in (
            (question, "bad_request"),
            (broken, "bad_request"),
            (whole, "bad_request"),
            (0, "not_found"),
        ):
            await one.send("continue", conversation=conversation, message=message)
            assert (await one.until("error"))["code"] == code


async def test_what_another_model_wrote_goes_on_as_text(start: Start, tmp_path: Path) -> None:
    """Tokens mean nothing to another vocabulary. The fake engine counts tokens: of a text it knows none."""
    async with start() as daemon, page(daemon.http, daemon.url) as one:
        said = await stopped(one)
        before = (await last(one, said["conversation"]))["text"]
    with sqlite3.connect(tmp_path / "bramble.sqlite") as database:
        database.execute("UPDATE parts SET model = 'another'")
    database.close()
    async with start() as daemon, page(daemon.http, daemon.url) as one:
        await one.state(phase="ready")
        _, text = await go_on(one, said["conversation"])
        assert text == before + WHOLE
    with sqlite3.connect(tmp_path / "bramble.sqlite") as database:
        assert database.execute("SELECT count(*) FROM parts").fetchone() == (0,)
    database.close()


@pytest.mark.timeout(180)
async def test_a_killed_daemon_goes_on_with_the_real_model(starter: Path, tmp_path: Path) -> None:
    """kill -9 in the middle of an answer; the next daemon writes on from the tokens that were kept."""
    settings = [f"engine.model={starter}", "chat.temperature=0", "chat.max_tokens=1500"]
    before = Live(tmp_path / "state", *settings)
    try:
        async with ClientSession(headers=SOMEBODY) as http, page(http, before.url) as one:
            await one.state(phase="ready")
            said = await one.say("Write a long story about a lighthouse and the sea.")
            while not _parts(tmp_path, said["conversation"]):
                await one.receive()
            seen = one.text(said["answer"])
            before.process.kill()
            before.process.wait()
    finally:
        before.end()
    kept = _parts(tmp_path, said["conversation"])
    assert seen.startswith(kept) or kept.startswith(seen)
    after = Live(tmp_path / "state", *settings)
    try:
        async with (
            ClientSession(headers=SOMEBODY) as http,
            page(http, after.url) as one,
        ):
            shown = await one.open(said["conversation"])
            if shown["answer"] is None:
                assert shown["messages"][-1]["text"] == kept
                shown = await one.until("conversation")
            while len(text := one.text(shown["answer"])) <= len(kept):
                await one.receive()
            await one.send("stop", answer=shown["answer"])
            await one.until("done", answer=shown["answer"], reason="stopped")
            text = one.text(shown["answer"])
            assert text.startswith(kept)
            assert (await last(one, said["conversation"]))["text"] == text
    finally:
        after.end()


def _parts(folder: Path, conversation: str) -> str:
    """What is kept of the answer that is being written."""
    with sqlite3.connect(f"file:{folder}/state/bramble.sqlite?mode=ro", uri=True) as database:
        statement = """
            SELECT parts.text FROM parts JOIN messages ON messages.id = parts.id >> 16
            WHERE conversation = ? ORDER BY parts.id
        """
        rows = database.execute(statement, (conversation,)).fetchall()
    database.close()
    return "".join(text for (text,) in rows)
