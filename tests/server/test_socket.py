"""The WebSocket protocol, version 1, against a daemon with the fake engine."""

import asyncio
import json

import pytest
from aiohttp import WSCloseCode, WSMsgType

from bramble.engine.client import Phase
from tests.conftest import Start
from tests.daemons import DEADLINE, Running
from tests.page import Page, page


async def test_a_message_gets_said_started_pieces_done(daemon: Running) -> None:
    async with page(daemon.http, daemon.url) as one:
        done, text = await one.ask("say 5")
        types = [frame["type"] for frame in one.frames if frame["type"] != "state"]
        assert text == "0字 1字 2字 3字 4字 "
        assert types[:3] == ["hello", "said", "started"]
        assert set(types[3:]) == {"piece", "done"}
        assert (done["reason"], done["n"], done["trimmed"]) == ("stop", 5, 0)
        assert done["usage"] == {"prompt_tokens": 200, "cached_tokens": 0, "completion_tokens": 5}
        assert done["timings"]["tokens_per_second"] == 400.0


async def test_a_conversation_is_shown_as_it_was_told(daemon: Running) -> None:
    async with page(daemon.http, daemon.url) as one, page(daemon.http, daemon.url) as two:
        said = await one.say("say 3")
        done = await one.until("done")
        shown = await two.open(said["conversation"])
        assert shown["answer"] is None
        assert [each["text"] for each in shown["messages"]] == ["say 3", one.text(said["answer"])]
        assert [each["status"] for each in shown["messages"]] == ["whole", "whole"]
        assert [each["id"] for each in shown["messages"]] == [said["message"], done["message"]]


async def test_a_second_page_follows_a_running_answer_from_its_first_piece(daemon: Running) -> None:
    async with page(daemon.http, daemon.url) as one, page(daemon.http, daemon.url) as two:
        said = await one.say("slow 40 0.01")
        await one.piece(10)
        shown = await two.open(said["conversation"])
        assert shown["answer"] == said["answer"]
        assert shown["messages"][-1] | {"id": 0} == {
            "id": 0,
            "role": "assistant",
            "text": "",
            "status": "writing",
        }
        assert await one.until("done") == await two.until("done")
        assert one.text(said["answer"]) == two.text(said["answer"]) != ""


async def test_a_page_that_vanished_resumes_without_loss_or_repetition(daemon: Running) -> None:
    async with page(daemon.http, daemon.url) as one:
        said = await one.say("slow 60 0.01")
        last = await one.piece(20)
        before = one.text(said["answer"])
        one.vanish()
    async with page(daemon.http, daemon.url) as two:
        await two.send("resume", answer=said["answer"], after=last["n"])
        done = await two.until("done")
        whole = before + two.text(said["answer"])
        assert whole == "".join(f"{n}字 " for n in range(60))
        shown = await two.open(said["conversation"])
        assert shown["messages"][-1]["text"] == whole
        assert done["n"] == 60


async def test_an_answer_goes_on_and_is_stored_when_its_page_is_gone(daemon: Running) -> None:
    async with page(daemon.http, daemon.url) as one:
        said = await one.say("slow 30 0.01")
    async with page(daemon.http, daemon.url) as two:
        await two.open(said["conversation"])
        await two.until("done", reason="stop")
        shown = await two.open(said["conversation"])
        assert shown["messages"][-1]["status"] == "whole"


async def test_stop_ends_the_answer_and_keeps_its_text(daemon: Running) -> None:
    async with page(daemon.http, daemon.url) as one:
        said = await one.say("slow 10000 0.01")
        await one.piece(5)
        await one.send("stop", answer=said["answer"])
        done = await one.until("done")
        assert done["reason"] == "stopped"
        last = (await one.open(said["conversation"]))["messages"][-1]
        assert (last["status"], last["text"]) == ("stopped", one.text(said["answer"]))


async def test_a_ref_is_said_once(daemon: Running) -> None:
    async with page(daemon.http, daemon.url, me="phone") as one:
        first = await one.say("say 1")
        await one.until("done")
    async with page(daemon.http, daemon.url, me="phone") as two:
        await two.send("say", ref=first["ref"], conversation=None, text="say 1")
        again = await two.until("said")
        assert again == first
        await two.until("done", answer=first["answer"])
        shown = await two.open(first["conversation"])
        assert len(shown["messages"]) == 2


async def test_a_ref_of_somebody_else_is_another_message(daemon: Running) -> None:
    said: set[str] = set()
    for me in ("phone", "laptop", None, None):
        async with page(daemon.http, daemon.url, me=me) as one:
            said.add((await one.say("say 1"))["conversation"])
    assert len(said) == 4


async def test_after_a_restart_a_ref_shows_what_is_there(start: Start) -> None:
    async with start(["server.drain=0"]) as daemon, page(daemon.http, daemon.url, "phone") as one:
        first = await one.say("slow 10000 0.01")
        await one.piece(3)
    alone_not = ["chat.continue_after_restart=false"]
    async with start(alone_not) as daemon, page(daemon.http, daemon.url, me="phone") as two:
        await two.send("say", ref=first["ref"], conversation=None, text="slow 10000 0.01")
        again = await two.until("said")
        assert (again["message"], again["answer"]) == (first["message"], None)
        shown = await two.until("conversation")
        assert shown["messages"][-1]["status"] == "interrupted"
        assert shown["messages"][-1]["text"].startswith("0字 1字 2字 ")


async def test_a_second_message_waits_for_the_first(daemon: Running) -> None:
    async with page(daemon.http, daemon.url) as one:
        said = await one.say("slow 10000 0.01")
        await one.send("say", ref="x", conversation=said["conversation"], text="say 1")
        assert (await one.until("error"))["code"] == "answering"
        await one.send("stop", answer=said["answer"])
        await one.until("done")
        _, text = await one.ask("say 1", said["conversation"])
        assert text == "0字 "


async def test_the_queue_is_told_and_a_full_one_refuses(start: Start) -> None:
    settings = ["engine.slots=1", "queue.waiting=1"]
    async with start(settings) as daemon, page(daemon.http, daemon.url) as one:
        running = await one.say("slow 10000 0.01")
        waiting = await one.say("say 1")
        queued = await one.until("queued", answer=waiting["answer"])
        assert queued["position"] == 1
        refused = await one.say("say 1")
        error = await one.until("error", answer=refused["answer"])
        assert error["code"] == "busy"
        assert error["retry_after"] > 0
        await one.until("done", answer=refused["answer"], reason="error")
        await one.state(running=1, waiting=1, slots=1)
        await one.send("stop", answer=running["answer"])
        await one.until("done", answer=waiting["answer"], reason="stop")


async def test_whose_answer_kills_the_engine_is_found_out_and_all_others_go_on(
    daemon: Running,
) -> None:
    async with page(daemon.http, daemon.url) as one, page(daemon.http, daemon.url) as two:
        bystander = await two.say("slow 200 0.01")
        await two.piece()
        killer = await one.say("die 3")
        paused = await two.until("paused", answer=bystander["answer"])
        assert "SIGKILL" in paused["message"]
        done = await two.until("done", answer=bystander["answer"], reason="stop")
        assert two.text(bystander["answer"]) == "".join(f"{n}字 " for n in range(200))
        assert done["usage"]["completion_tokens"] == 200
        error = await one.until("error", answer=killer["answer"])
        assert error["code"] == "engine_lost"
        await one.until("done", answer=killer["answer"], reason="error")
        assert one.text(killer["answer"]) == "0字 1字 2字 "
        _, text = await one.ask("say 2", killer["conversation"])
        assert text == "0字 1字 "
        assert daemon.daemon.engine.state.restarts == 5  # two in company, three alone
        messages = (await one.open(killer["conversation"]))["messages"]
        assert [each["status"] for each in messages] == ["whole", "interrupted", "whole", "whole"]


async def test_an_answer_goes_on_where_the_engine_died(daemon: Running) -> None:
    async with page(daemon.http, daemon.url) as one:
        done, text = await one.ask("falter 3 9")
        assert text == "".join(f"{n}字 " for n in range(9))
        assert done["usage"] == {"prompt_tokens": 200, "cached_tokens": 0, "completion_tokens": 9}
        assert [frame["type"] for frame in one.frames].count("started") == 1
        assert daemon.daemon.engine.state.restarts == 1


async def test_an_engine_that_talks_nonsense_is_replaced(daemon: Running) -> None:
    async with page(daemon.http, daemon.url) as one:
        said = await one.say("garbage 2")
        assert (await one.until("error", answer=said["answer"]))["code"] == "engine_lost"
        _, text = await one.ask("say 1", said["conversation"])
        assert text == "0字 "


async def test_a_message_that_does_not_fit_is_told_with_numbers(start: Start) -> None:
    options = ["--refuse-above", "1"]
    async with start(engine=options) as daemon, page(daemon.http, daemon.url) as one:
        said = await one.say("say 1")
        error = await one.until("error", answer=said["answer"])
        assert error["code"] == "context_length_exceeded"
        assert error["params"] == {"prompt_tokens": 200, "context": 100}


async def test_a_message_waits_while_the_model_loads(start: Start) -> None:
    async with start(engine=["--slow-load"]) as daemon:
        await daemon.until(Phase.LOADING)
        async with page(daemon.http, daemon.url) as one:
            assert one.frames[-1]["phase"] == "loading"
            assert one.frames[-1]["fraction"] == 0.5
            said = await one.say("say 1")
            await one.state(running=1)
            await one.send("stop", answer=said["answer"])
            await one.until("done", reason="stopped")


BAD_FRAMES = {
    "nothing": ("", "bad_frame"),
    "no json": ("{type: ping}", "bad_frame"),
    "no object": ("[1]", "bad_frame"),
    "no type": ("{}", "bad_frame"),
    "type of a wrong type": ('{"type":5}', "bad_frame"),
    "too deep": ('{"type":"ping","x":' + "[" * 100_000, "bad_frame"),
    "half a surrogate pair": (r'{"type":"open","conversation":"\ud800"}', "bad_frame"),
    "unknown type": ('{"type":"sing"}', "unknown_type"),
    "no text": ('{"type":"say","ref":"a"}', "bad_frame"),
    "empty text": ('{"type":"say","ref":"a","text":" \\n "}', "bad_frame"),
    "long text": (json.dumps({"type": "say", "ref": "a", "text": "x" * 100_001}), "bad_frame"),
    "long ref": (json.dumps({"type": "say", "ref": "x" * 65, "text": "Hi"}), "bad_frame"),
    "text of a wrong type": ('{"type":"say","ref":"a","text":["Hi"]}', "bad_frame"),
    "negative piece": ('{"type":"resume","answer":1,"after":-1}', "bad_frame"),
    "NaN": ('{"type":"stop","answer":NaN}', "bad_frame"),
    "huge number": ('{"type":"stop","answer":1e999}', "bad_frame"),
    "unknown answer": ('{"type":"resume","answer":1,"after":0}', "not_found"),
    "unknown conversation": ('{"type":"open","conversation":"x"}', "not_found"),
    "say in an unknown one": (
        '{"type":"say","ref":"a","conversation":"x","text":"Hi"}',
        "not_found",
    ),
}


@pytest.mark.parametrize("name", BAD_FRAMES)
async def test_a_bad_frame_gets_an_error_and_nothing_else_happens(
    daemon: Running, name: str
) -> None:
    data, code = BAD_FRAMES[name]
    async with page(daemon.http, daemon.url) as one:
        await one.socket.send_str(data)
        error = await one.until("error")
        assert error["code"] == code
        assert error["message"]
        await still_works(one)


async def test_bytes_are_no_frame(daemon: Running) -> None:
    async with page(daemon.http, daemon.url) as one:
        await one.socket.send_bytes(b'{"type":"ping"}')
        assert (await one.until("error"))["code"] == "bad_frame"
        await still_works(one)


async def test_what_is_no_text_ends_the_connection(daemon: Running) -> None:
    async with page(daemon.http, daemon.url) as one:
        await one.socket.send_frame(b'{"type":"say","text":"\xff"}', WSMsgType.TEXT)
        async with asyncio.timeout(DEADLINE):
            while (await one.socket.receive()).type is not WSMsgType.CLOSE:
                pass
        assert one.socket.close_code == WSCloseCode.INVALID_TEXT


async def test_a_frame_of_10_mb_is_refused_with_a_reason(daemon: Running) -> None:
    async with page(daemon.http, daemon.url) as other, page(daemon.http, daemon.url) as one:
        await one.send("say", ref="a", text="x" * 10_000_000)
        assert (await one.until("error"))["code"] == "too_large"
        async with asyncio.timeout(DEADLINE):
            assert (await one.socket.receive()).type is WSMsgType.CLOSE
        assert one.socket.close_code == WSCloseCode.MESSAGE_TOO_BIG
        await still_works(other)


async def test_unknown_fields_are_ignored(daemon: Running) -> None:
    async with page(daemon.http, daemon.url) as one:
        await one.send("ping", future={"very": ["new"]})
        await one.until("pong")


async def still_works(page: Page) -> None:
    """The connection and the daemon behind it are as before."""
    await page.send("ping")
    await page.until("pong")
    done, _ = await page.ask("say 1")
    assert done["reason"] == "stop"
