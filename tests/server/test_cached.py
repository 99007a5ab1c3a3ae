"""Answers that were not computed: marked in every protocol, asked again on request, never where they might not fit."""

import sqlite3
from pathlib import Path

import pytest

from bramble.chat.faq import normalized
from bramble.engine.client import Phase
from tests.conftest import Start
from tests.daemons import Running
from tests.page import Frame, Page, page

CACHE = ["cache.enabled=true"]
WIFI = """
- question:
  - What is the Wi-Fi password?
  - WLAN 密码是什么？
  answer: It is on the fridge.
"""


async def ask(page: Page, text: str, **fields: object) -> tuple[Frame, str]:
    """A conversation's first message; returns its `done` and text."""
    await page.send("say", ref=f"{len(page.frames)}", text=text, **fields)
    said = await page.until("said")
    done = await page.until("done", answer=said["answer"])
    return {**done, "conversation": said["conversation"]}, page.text(said["answer"])


async def post(daemon: Running, text: str, **fields: object) -> tuple[str | None, str]:
    """A chat completion; returns its mark and its text."""
    body = {"messages": [{"role": "user", "content": text}], **fields}
    async with daemon.http.post(f"{daemon.url}/v1/chat/completions", json=body) as response:
        assert response.status == 200, await response.text()
        mark = response.headers.get("X-Bramble-Cached")
        if fields.get("stream"):
            return mark, await response.text()
        return mark, (await response.json())["choices"][0]["message"]["content"]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("What is it?", "  what  IS it ", True),
        ("天气怎么样？", "天气 怎么样?", True),
        ("ＡＢＣ！", "abc", True),
        ("Why...", "why", True),
        ("C", "C++", False),
        ("Is 3.5 more?", "Is 35 more?", False),
        ("therapist", "the rapist", False),
    ],
)
def test_which_questions_are_the_same(one: str, other: str, same: bool) -> None:
    assert (normalized(one) == normalized(other)) is same


async def test_the_cache_is_off_by_default(daemon: Running) -> None:
    async with page(daemon.http, daemon.url) as one:
        for _ in range(2):
            done, _ = await ask(one, "say 3")
            assert done["cached"] is None


async def test_a_question_that_was_answered_is_answered_again_and_marked(start: Start) -> None:
    async with start(CACHE) as daemon, page(daemon.http, daemon.url) as one:
        first, text = await ask(one, "say 3")
        again, same = await ask(one, "  say\u3000 ３ ")
        assert (first["cached"], again["cached"]) == (None, "cache")
        assert same == text
        assert again["usage"]["completion_tokens"] == first["usage"]["completion_tokens"]
        shown = (await one.open(again["conversation"]))["messages"][-1]
        assert (shown["text"], shown["status"], shown["cached"]) == (text, "whole", "cache")
        # Asking again computes, and so does whatever is no first question or of another kind.
        await one.send("regenerate", conversation=again["conversation"], message=shown["id"])
        assert (await one.until("done"))["cached"] is None
        for fields in ({"conversation": first["conversation"]}, {"role": "cook-en"}):
            done, _ = await ask(one, "say 3", **fields)
            assert done["cached"] is None


async def test_what_was_cut_or_stopped_is_not_remembered(start: Start) -> None:
    async with start([*CACHE, "chat.max_tokens=3"]) as daemon, page(daemon.http, daemon.url) as one:
        for _ in range(2):
            done, _ = await ask(one, "say 9")
            assert (done["reason"], done["cached"]) == ("length", None)


async def test_a_deleted_answer_is_gone_from_the_cache(start: Start, tmp_path: Path) -> None:
    async with start(CACHE) as daemon, page(daemon.http, daemon.url) as one:
        done, _ = await ask(one, "repeat 9 The diary is under the bed")
        await one.send("delete", conversation=done["conversation"])
        await one.until("deleted")
        done, _ = await ask(one, "repeat 9 The diary is under the bed")
        assert done["cached"] is None
        await one.send("delete", conversation=done["conversation"])
        await one.until("deleted")
    assert b"under the bed" not in (tmp_path / "bramble.sqlite").read_bytes()


async def test_only_so_many_are_kept_and_only_so_long(start: Start, tmp_path: Path) -> None:
    async with start([*CACHE, "cache.answers=2"]) as daemon, page(daemon.http, daemon.url) as one:
        for n in (1, 2, 3):
            await ask(one, f"say {n}")
        assert (await ask(one, "say 3"))[0]["cached"] == "cache"
        assert (await ask(one, "say 1"))[0]["cached"] is None
    with sqlite3.connect(tmp_path / "bramble.sqlite") as database:
        database.execute("UPDATE cached SET created = created - 86400 * 31")
    database.close()
    async with start(CACHE) as daemon, page(daemon.http, daemon.url) as one:
        assert (await ask(one, "say 1"))[0]["cached"] is None


async def test_api_clients_see_the_mark_and_can_ask_again(start: Start) -> None:
    async with start(CACHE) as daemon:
        first, text = await post(daemon, "say 3", max_tokens=50)
        assert first is None
        assert await post(daemon, "say 3?", max_tokens=50) == ("cache", text)
        mark, stream = await post(daemon, "say 3", max_tokens=50, stream=True)
        assert mark == "cache"
        assert text.split()[0] in stream
        for other in (
            {"cache": False},
            {"temperature": 0.1},
            {"seed": 1},
            {"n": 2},
            {"stop": "x"},
            {"max_tokens": 51},
            {"response_format": {"type": "json_object"}},
        ):
            mark, _ = await post(daemon, "say 3", **{"max_tokens": 50, **other})
            assert mark is None, other


@pytest.mark.parametrize(
    ("path", "question"),
    [
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "say 3"}]}),
        ("/v1/responses", {"input": "say 3"}),
        ("/api/chat", {"messages": [{"role": "user", "content": "say 3"}], "stream": False}),
        ("/api/generate", {"prompt": "say 3", "stream": False}),
    ],
)
async def test_every_api_marks_and_computes_on_request(
    start: Start, path: str, question: dict[str, object]
) -> None:
    async with start(CACHE) as daemon:
        await daemon.until(Phase.READY)
        marks: list[str | None] = []
        for more in ({}, {}, {"cache": False}):
            body = {"model": "starter", **question, **more}
            async with daemon.http.post(f"{daemon.url}{path}", json=body) as response:
                assert response.status == 200, await response.text()
                marks.append(response.headers.get("X-Bramble-Cached"))
        assert marks == [None, "cache", None]


async def test_pinned_answers_stand_for_the_model_and_are_read_again(
    start: Start, tmp_path: Path
) -> None:
    faq = tmp_path / "faq.yaml"
    faq.write_text(WIFI, encoding="utf-8")
    async with start([f"cache.faq={faq}"]) as daemon, page(daemon.http, daemon.url) as one:
        for question in ("what is the wi-fi password", "WLAN密码是什么"):
            done, text = await ask(one, question)
            assert (done["cached"], text) == ("pinned", "It is on the fridge.")
        shown = (await one.open(done["conversation"]))["messages"][-1]
        assert shown["cached"] == "pinned"
        await one.state(phase="ready")
        assert await post(daemon, "What is the Wi-Fi password?") == ("pinned", text)
        faq.write_text("- question: say 1\n  answer: Pinned.\n")
        assert (await ask(one, "say 1"))[1] == "Pinned."
        faq.write_text("- question: [\n")  # a mistake: what was there stays
        done, text = await ask(one, "say 1")
        assert text == "Pinned."
        # Who asks again, chose a role or brought a prompt of their own wants the model.
        await one.send("regenerate", conversation=done["conversation"], message=done["message"])
        assert (await one.until("done"))["cached"] is None
        assert (await ask(one, "say 1", role="cook-en"))[0]["cached"] is None
        turns = [{"role": "system", "content": "Classify."}, {"role": "user", "content": "say 1"}]
        assert (await post(daemon, "", messages=turns))[0] is None
        faq.unlink()
        assert (await ask(one, "say 1"))[0]["cached"] is None
