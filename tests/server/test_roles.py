"""Roles over the WebSocket: the shipped ones, one's own, who answers in a conversation, and strangers."""

import asyncio
import json
from contextlib import AsyncExitStack

import pytest
from aiohttp import ClientSession

from bramble.chat.roles import shipped
from tests.conftest import Start
from tests.daemons import DEADLINE, Running
from tests.page import Frame, Page, page

PIRATE = {"name": "Pirate 海盗", "prompt": "You are a pirate.", "settings": {"temperature": 1.2}}


async def listed(page: Page) -> list[Frame]:
    await page.send("roles")
    return (await page.until("roles"))["roles"]


async def saved(page: Page, **fields: object) -> Frame:
    await page.send("role_save", ref="r", **{**PIRATE, **fields})
    return (await page.until("role_saved", ref="r"))["role"]


async def system(page: Page, conversation: str | None = None, **fields: object) -> tuple[str, str]:
    """Ask the fake engine what it was given; returns the conversation and its system prompt."""
    await page.send(
        "say", ref=f"{len(page.frames)}", conversation=conversation, text="turns", **fields
    )
    said = await page.until("said")
    await page.until("done", answer=said["answer"], reason="stop")
    first = json.loads(page.text(said["answer"]))[0]
    assert first["role"] == "system"
    return said["conversation"], first["content"]


def test_every_shipped_role_exists_in_both_languages() -> None:
    ids = set(shipped())
    assert len(ids) >= 8
    for role in shipped().values():
        stem, _, language = role.id.rpartition("-")
        assert role.language == language
        assert {f"{stem}-en", f"{stem}-zh"} <= ids
        assert not role.own


async def test_a_conversation_starts_with_a_role_and_changes_it(daemon: Running) -> None:
    async with page(daemon.http, daemon.url) as one:
        mine = await saved(one)
        assert mine["own"]
        assert mine["settings"] == {"temperature": 1.2}
        roles = await listed(one)
        assert roles[-1] == mine
        assert [role["id"] for role in roles[:-1]] == list(shipped())
        conversation, prompt = await system(one, role=mine["id"])
        assert prompt == PIRATE["prompt"]
        assert (await one.open(conversation))["role"] == mine["id"]
        await one.send("role", conversation=conversation, role="story-zh")
        changed = await one.until("changed")
        assert changed["conversation"]["role"] == "story-zh"
        _, prompt = await system(one, conversation)
        assert prompt == shipped()["story-zh"].prompt
        await one.send("role", conversation=conversation, role=None)
        await one.until("changed")
        _, prompt = await system(one, conversation)
        assert "Bramble" in prompt


async def test_the_engine_draws_as_the_role_says(daemon: Running) -> None:
    async with page(daemon.http, daemon.url) as one:
        mine = await saved(one, settings={"temperature": 0.1, "top_p": 0.5, "max_tokens": 3})
        await one.send("say", ref="x", text="sampling", role=mine["id"])
        said = await one.until("said")
        await one.until("done", answer=said["answer"])
        given = json.loads(one.text(said["answer"]))
        assert (given["temperature"], given["top_p"]) == (0.1, 0.5)
        await one.send("say", ref="y", text="say 9", conversation=said["conversation"])
        done = await one.until("done", reason="length")
        assert done["usage"]["completion_tokens"] == 3


async def test_typing_ahead_prepares_for_the_role(daemon: Running) -> None:
    async def typed() -> list[Frame]:
        _, text = await other.ask("typed")
        return json.loads(text)

    async with page(daemon.http, daemon.url) as one, page(daemon.http, daemon.url) as other:
        conversation, _ = await system(one, role="cook-zh")
        for fields, prompt in (
            ({"role": "cook-en"}, shipped()["cook-en"].prompt),
            ({"conversation": conversation}, shipped()["cook-zh"].prompt),
            ({}, "You are a helpful AI"),
        ):
            await one.send("typing", text=f"What can I {prompt[:9]}", **fields)
            async with asyncio.timeout(DEADLINE):
                while not (turns := await typed()) or not turns[0]["content"].startswith(prompt):
                    pass
            assert turns[-1]["content"] == f"What can I {prompt[:9]}"


async def test_own_roles_are_changed_deleted_and_told_to_the_other_devices(daemon: Running) -> None:
    async with AsyncExitStack() as stack:
        one, other = [
            await stack.enter_async_context(page(daemon.http, daemon.url)) for _ in range(2)
        ]
        await listed(other)
        mine = await saved(one)
        assert (await other.until("roles"))["roles"][-1] == mine
        renamed = await saved(one, id=mine["id"], name="Captain", language="en")
        assert (await other.until("roles"))["roles"][-1] == renamed
        assert (renamed["id"], renamed["name"], renamed["language"]) == (
            mine["id"],
            "Captain",
            "en",
        )
        conversation, _ = await system(one, role=mine["id"])
        await one.send("role_delete", role=mine["id"])
        assert (await one.until("role_deleted"))["role"] == mine["id"]
        assert len((await other.until("roles"))["roles"]) == len(shipped())
        assert (await one.open(conversation))["role"] is None
        _, prompt = await system(one, conversation)
        assert "Bramble" in prompt


async def test_strangers_neither_see_nor_use_nor_change_a_role(daemon: Running) -> None:
    async with (
        page(daemon.http, daemon.url) as one,
        ClientSession() as http,
        page(http, daemon.url) as stranger,
    ):
        mine = await saved(one)
        assert len(await listed(stranger)) == len(shipped())
        conversation, _ = await system(one)
        for type, fields in (
            ("role_save", {"ref": "a", **PIRATE, "id": mine["id"]}),
            ("role_delete", {"role": mine["id"]}),
            ("say", {"ref": "b", "text": "say 1", "role": mine["id"]}),
            ("role", {"conversation": conversation, "role": "cook-en"}),
        ):
            await stranger.send(type, **fields)
            assert (await stranger.until("error"))["code"] == "not_found", type
        assert (await listed(one))[-1] == mine
        assert (await one.open(conversation))["role"] is None


@pytest.mark.parametrize(
    ("type", "fields", "code"),
    [
        ("role_save", {**PIRATE, "ref": "a", "id": "cook-en"}, "bad_request"),
        ("role_delete", {"role": "cook-en"}, "bad_request"),
        ("role_save", {**PIRATE, "ref": "a", "name": " "}, "bad_frame"),
        ("role_save", {**PIRATE, "ref": "a", "prompt": "x" * 8001}, "bad_frame"),
        ("role_save", {**PIRATE, "ref": "a", "settings": {"temperature": 3}}, "bad_frame"),
        ("role_save", {**PIRATE, "ref": "a", "settings": {"heat": 1}}, "bad_frame"),
        ("say", {"ref": "a", "text": "say 1", "role": "nobody"}, "not_found"),
    ],
)
async def test_what_cannot_be_is_told(daemon: Running, type: str, fields: Frame, code: str) -> None:
    async with page(daemon.http, daemon.url) as one:
        await one.send(type, **fields)
        assert (await one.until("error"))["code"] == code
        await one.send("ping")
        await one.until("pong")


async def test_nobody_fills_the_disk_with_roles(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bramble.chat.rolebook.MOST", 2)
    async with start() as daemon, page(daemon.http, daemon.url) as one:
        for _ in range(2):
            await saved(one)
        await one.send("role_save", ref="x", **PIRATE)
        assert (await one.until("error", ref="x"))["code"] == "bad_request"
