"""Conversations of one owner over the WebSocket: the list, the search, branches, several devices, and strangers."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiohttp import ClientSession

from tests.daemons import Running
from tests.page import Frame, Page, page


@pytest.fixture
async def two(daemon: Running) -> AsyncIterator[tuple[Page, Page]]:
    """Two devices of one owner; the second keeps a list."""
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(page(daemon.http, daemon.url))
        other = await stack.enter_async_context(page(daemon.http, daemon.url))
        await other.send("conversations")
        await other.until("listed")
        yield one, other


async def listed(page: Page, **fields: object) -> Frame:
    await page.send("conversations", **fields)
    return await page.until("listed")


async def test_the_cookie_is_for_the_browser_alone(daemon: Running) -> None:
    async with daemon.http.ws_connect(f"{daemon.url}/ws") as socket:
        response = socket._response  # pyright: ignore[reportPrivateUsage] — the handshake's headers
        cookie = response.cookies["bramble"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Strict"
    assert len(cookie.value) >= 22


async def test_the_list_is_newest_first_and_comes_in_parts(daemon: Running) -> None:
    async with page(daemon.http, daemon.url) as one:
        for n in (1, 2, 3):
            await one.ask(f"say {n}")
        first = await listed(one, limit=2)
        rest = await listed(one, limit=2, after=first["more"])
        titles = [each["title"] for each in first["conversations"] + rest["conversations"]]
        assert titles == ["say 3", "say 2", "say 1"]
        assert rest["more"] is None


async def test_search_finds_words_short_chinese_and_nothing_of_others(daemon: Running) -> None:
    async with page(daemon.http, daemon.url) as one:
        for text in ("repeat 5 今天天气很好，我们去长城吧", "repeat 5 A Raspberry, 100% ripe"):
            await one.ask(text)
        for query, title in (
            ("长城", "今天天气"),
            ("天", "今天天气"),
            ("天气很好", "今天天气"),
            ("rasp", "Raspberry"),
            ("0%", "Raspberry"),
            ('y, "', None),
        ):
            await one.send("search", query=query)
            found = await one.until("found", query=query)
            if title is None:
                assert found["hits"] == []
                continue
            assert {hit["role"] for hit in found["hits"]} == {"user", "assistant"}, query
            for hit in found["hits"]:
                assert title in hit["title"]
                assert hit["match"].lower() == query
    async with (
        ClientSession() as http,
        page(http, daemon.url) as stranger,
    ):
        await stranger.send("search", query="长城")
        assert (await stranger.until("found"))["hits"] == []


async def test_a_stranger_sees_changes_and_stops_nothing(daemon: Running) -> None:
    async with (
        ClientSession() as http,
        page(daemon.http, daemon.url) as one,
        page(http, daemon.url) as stranger,
    ):
        said = await one.say("slow 10000 0.01")
        id, answer = said["conversation"], said["answer"]
        for frame in (
            {"type": "open", "conversation": id},
            {"type": "say", "ref": "x", "conversation": id, "text": "Hi"},
            {"type": "rename", "conversation": id, "title": "Mine"},
            {"type": "delete", "conversation": id},
            {"type": "select", "conversation": id, "message": said["message"]},
            {"type": "stop", "answer": answer},
            {"type": "resume", "answer": answer},
        ):
            await stranger.send(**frame)
            assert (await stranger.until("error"))["code"] == "not_found", frame
        assert (await listed(stranger))["conversations"] == []
        async with http.get(f"{daemon.url}/api/conversations/{id}/export") as response:
            assert response.status == 404
        await one.piece(3)
        await one.send("stop", answer=answer)
        await one.until("done", reason="stopped")


async def test_what_one_device_says_appears_on_the_other(two: tuple[Page, Page]) -> None:
    one, other = two
    said = await one.say("say 1")
    await one.until("done")
    changed = await other.until("changed")
    assert changed["conversation"]["title"] == "say 1"
    await other.open(said["conversation"])
    again = await one.say("slow 30 0.01", said["conversation"])
    shown = await other.until("conversation", answer=again["answer"])
    assert [each["text"] for each in shown["messages"]][2:] == ["slow 30 0.01", ""]
    await other.until("done", answer=again["answer"])
    await one.until("done", answer=again["answer"])
    assert one.text(again["answer"]) == other.text(again["answer"]) != ""


async def test_rename_and_delete_reach_the_other_device(two: tuple[Page, Page]) -> None:
    one, other = two
    id = (await one.say("slow 10000 0.01"))["conversation"]
    await one.send("rename", conversation=id, title="  A  better\nname ")
    assert (await one.until("changed"))["conversation"]["title"] == "A better name"
    while (await other.until("changed"))["conversation"]["title"] != "A better name":
        pass
    await one.send("delete", conversation=id)
    await one.until("deleted", conversation=id)
    await other.until("deleted", conversation=id)
    assert (await listed(other))["conversations"] == []


async def test_regenerate_and_edit_make_branches_that_can_be_chosen(daemon: Running) -> None:
    async with page(daemon.http, daemon.url) as one:
        id = (await one.say("say 2"))["conversation"]
        done = await one.until("done")
        await one.send("regenerate", conversation=id, message=done["message"])
        again = await one.until("done")
        shown = await one.open(id)
        assert shown["messages"][1]["versions"] == [done["message"], again["message"]]
        question = shown["messages"][0]["id"]
        await one.send("edit", ref="e", conversation=id, message=question, text="turns")
        edited = await one.until("done")
        shown = await one.open(id)
        assert [each["id"] for each in shown["messages"]][1] == edited["message"]
        turns = json.loads(shown["messages"][1]["text"])
        assert [turn["content"] for turn in turns[1:]] == ["turns"]
        await one.send("select", conversation=id, message=done["message"])
        shown = await one.until("conversation")
        assert [each["id"] for each in shown["messages"]] == [question, done["message"]]


async def test_a_conversation_is_exported(daemon: Running) -> None:
    async with page(daemon.http, daemon.url) as one:
        said = await one.say("repeat 5 你好 **Bramble**")
        await one.until("done")
    address = f"{daemon.url}/api/conversations/{said['conversation']}/export"
    async with daemon.http.get(address) as response:
        text = await response.text()
        assert response.headers["Content-Disposition"].startswith("attachment")
    assert "## Bramble\n\n你好 **Bramble**" in text
    async with daemon.http.get(address, params={"format": "json"}) as response:
        roles = [each["role"] for each in (await response.json())["messages"]]
    assert roles == ["user", "assistant"]
    async with daemon.http.get(address, params={"format": "pdf"}) as response:
        assert response.status == 400


async def test_deleted_means_gone_from_the_disk(daemon: Running, tmp_path: Path) -> None:
    async with page(daemon.http, daemon.url) as one:
        await one.ask("repeat 50 Something else stays")
        id = (await one.say("repeat 50 xylophonequartz 秘密的话"))["conversation"]
        await one.until("done")
        assert any(b"xylophonequartz" in file.read_bytes() for file in tmp_path.glob("*.sqlite*"))
        await one.send("delete", conversation=id)
        await one.until("deleted")
        for file in tmp_path.glob("*.sqlite*"):
            data = file.read_bytes()
            assert b"xyloph" not in data
            assert "秘密的".encode() not in data
