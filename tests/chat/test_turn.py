"""Turns of a conversation, with a real engine client and the fake engine behind it."""

import asyncio
import gc
import secrets

import msgspec
import pytest

from bramble.chat import parts
from bramble.chat.answer import Over
from bramble.chat.answers import Answering
from bramble.chat.turn import Chat
from bramble.engine.wire import Turn
from bramble.errors import PromptTooLong
from tests.conftest import Start
from tests.daemons import Running


async def ask(chat: Chat, text: str, conversation: str | None = None) -> tuple[str, str, Over]:
    """Say something; returns the conversation, the answer's text and its end."""
    said = await chat.say("me", "ann", secrets.token_hex(), conversation, text)
    assert said.answer is not None
    async with asyncio.timeout(10):
        over = await said.answer.end()
    return said.conversation, said.answer.text, over


def turns(text: str) -> list[Turn]:
    return msgspec.json.decode(text, type=list[Turn])


async def test_the_model_is_given_system_prompt_history_and_question(daemon: Running) -> None:
    chat = daemon.daemon.chat
    conversation, first, _ = await ask(chat, "say 2")
    _, text, _ = await ask(chat, "turns", conversation)
    system, *rest = turns(text)
    assert system.role == "system"
    assert "Bramble" in system.content
    assert rest == [Turn("user", "say 2"), Turn("assistant", first), Turn("user", "turns")]


async def test_the_stream_is_what_is_stored(daemon: Running) -> None:
    chat = daemon.daemon.chat
    conversation, text, over = await ask(chat, "say 300")
    opened = await chat.open("me", conversation)
    assert opened.answer is None
    assert opened.messages[-1].text == text
    assert opened.messages[-1].status == "whole"
    assert over.n == 300


async def test_a_second_message_is_refused_while_the_first_is_answered(daemon: Running) -> None:
    chat = daemon.daemon.chat
    said = await chat.say("me", "ann", "1", None, "slow 1000 0.01")
    with pytest.raises(Answering):
        await chat.say("me", "ann", "2", said.conversation, "say 1")
    assert said.answer is not None
    said.answer.stop()
    assert (await said.answer.end()).reason == "stopped"
    _, text, _ = await ask(chat, "say 1", said.conversation)
    assert text == "0字 "


async def test_two_first_messages_at_once_are_one(daemon: Running) -> None:
    chat = daemon.daemon.chat
    both = await asyncio.gather(*(chat.say("me", "ann", "same", None, "say 1") for _ in range(2)))
    assert both[0] == both[1]


async def test_a_cancelled_listener_does_not_cancel_the_turn(daemon: Running) -> None:
    """The socket that said it may vanish at any moment, also while the store writes."""
    chat = daemon.daemon.chat
    saying = asyncio.create_task(chat.say("me", "ann", "x", None, "say 3"))
    await asyncio.sleep(0)
    saying.cancel()
    await asyncio.wait([saying])
    said = await chat.say("me", "ann", "x", None, "say 3")
    assert said.answer is not None
    await said.answer.end()
    assert (await chat.open("me", said.conversation)).messages[-1].status == "whole"


async def test_old_exchanges_are_left_out_when_they_do_not_fit(start: Start) -> None:
    async with start(engine=["--refuse-above", "6"]) as daemon:
        chat = daemon.daemon.chat
        conversation, *_ = await ask(chat, "say 1")
        for _ in range(3):
            await ask(chat, "say 1", conversation)
        said = await chat.say("me", "ann", "last", conversation, "turns")
        assert said.answer is not None
        await said.answer.end()
        given = turns(said.answer.text)
        assert given[0].role == "system"
        assert given[-1] == Turn("user", "turns")
        assert len(given) <= 6
        assert said.answer.trimmed == 2 + 8 - len(given)


async def test_what_was_left_out_stays_out(start: Start) -> None:
    """The prompt of every turn begins as the last one's, until there is no room again; another answer's does, too."""
    prompt = (
        "What goes is weighed by its letters, of which these are the ones of the system prompt."
    )
    async with start([f"chat.system_prompt={prompt}"], ["--refuse-above", "8"]) as daemon:
        chat = daemon.daemon.chat
        conversation, *_ = await ask(chat, "say 1 0.0001")
        for number in range(2, 13):
            await ask(chat, f"say 1 0.{number:04}", conversation)
        messages = (await chat.open("me", conversation)).messages
        since = [each.since for each in messages if each.role == "assistant"]
        assert since == sorted(since)
        assert 1 < len(set(since)) <= 5
        said = await chat.say("me", "ann", "last", conversation, "turns")
        assert said.answer is not None
        await said.answer.end()
        messages = (await chat.open("me", conversation)).messages
        oldest = next(each for each in messages if each.id == messages[-1].since)
        given = turns(said.answer.text)
        assert given[1] == Turn("user", oldest.text)
        assert said.answer.trimmed == messages.index(oldest) > 0
        again = await chat.regenerate("me", "ann", conversation, messages[-1].id)
        assert again.answer is not None
        await again.answer.end()
        assert turns(again.answer.text) == given


async def test_a_message_that_alone_is_too_long_is_told(start: Start) -> None:
    async with start(engine=["--refuse-above", "1"]) as daemon:
        conversation, text, over = await ask(daemon.daemon.chat, "say 1")
        assert isinstance(over.error, PromptTooLong)
        assert text == ""
        messages = (await daemon.daemon.chat.open("me", conversation)).messages
        assert [each.status for each in messages] == ["whole", "interrupted"]


async def test_a_long_answer_is_on_disk_while_it_is_written(
    daemon: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bramble.chat.writer.WRITE_SECONDS", 0.05)
    chat, store = daemon.daemon.chat, daemon.daemon.store
    said = await chat.say("me", "ann", "1", None, "slow 1000 0.01")
    assert said.answer is not None
    reply = said.answer.reply
    async with asyncio.timeout(10):
        while not (behind := await store.read(lambda database: parts.text(database, reply))):
            await asyncio.sleep(0.01)
    assert said.answer.text.startswith(behind)
    assert (await store.messages("me", said.conversation))[-1].status == "writing"
    said.answer.stop()
    await said.answer.end()
    assert (await store.messages("me", said.conversation))[-1].text == said.answer.text


async def test_a_message_whose_sender_left_is_refused_in_silence(daemon: Running) -> None:
    unheard: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: unheard.append(told))
    chat = daemon.daemon.chat
    chat.answers.refuse()
    saying = asyncio.create_task(chat.say("somebody", "somebody", "r", None, "say 1"))
    await asyncio.sleep(0)
    saying.cancel()
    await asyncio.wait([saying])
    await chat.page("somebody", None, 1)  # the store has come to the message as well
    gc.collect()
    assert unheard == []
