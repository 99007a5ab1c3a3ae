"""The real daemon with the real model, as its clients use it."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from aiohttp import ClientSession
from openai import AsyncOpenAI, BadRequestError
from openai.types.chat import ChatCompletionMessageParam

from tests.daemons import DEADLINE, Live
from tests.page import page

QUESTION: ChatCompletionMessageParam = {"role": "user", "content": "Why is the sky blue?"}
MEGABYTE = 1 << 20


@pytest.fixture
async def client(live: Live) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{live.url}/v1", api_key="any", max_retries=0) as client:
        yield client


@pytest.fixture
async def alone(starter: Path, tmp_path: Path) -> AsyncIterator[AsyncOpenAI]:
    """Of a daemon that nobody else asks and that guesses nothing: a question is computed in the same shape again."""
    live = Live(tmp_path / "alone", f"engine.model={starter}", "engine.draft=0")
    url = f"{await asyncio.to_thread(live.until_ready)}/v1"
    async with AsyncOpenAI(base_url=url, api_key="any", max_retries=0) as client:
        yield client
    live.end()


async def name(client: AsyncOpenAI) -> str:
    """The model's name, once it is loaded."""
    patient = client.with_options(max_retries=20)
    return (await patient.models.list()).data[0].id


async def test_the_sdk_lists_chats_and_streams_the_same_words(
    alone: AsyncOpenAI,
) -> None:
    client, model = alone, await name(alone)
    # Once before: then both find the prompt in the cache, in the same cells.
    await client.chat.completions.create(model=model, messages=[QUESTION], max_tokens=1)
    whole = await client.chat.completions.create(
        model=model, messages=[QUESTION], max_tokens=24, temperature=0
    )
    stream = await client.chat.completions.create(
        model=model,
        messages=[QUESTION],
        max_tokens=24,
        temperature=0,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert whole.usage is not None
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens == 24
    assert chunks[-2].choices[0].finish_reason == whole.choices[0].finish_reason == "length"


async def test_the_sdk_reads_our_errors(client: AsyncOpenAI) -> None:
    with pytest.raises(BadRequestError) as caught:
        await client.chat.completions.create(model="x", messages=[QUESTION], temperature=-1)
    assert caught.value.param == "temperature"
    long: ChatCompletionMessageParam = {"role": "user", "content": "word " * 9000}
    with pytest.raises(BadRequestError) as caught:
        await client.chat.completions.create(model="x", messages=[long])
    assert caught.value.code == "context_length_exceeded"


async def test_a_stop_string_is_not_part_of_the_answer(client: AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(
        model="x", messages=[QUESTION], max_tokens=60, temperature=0, stop=[" the", ","]
    )
    text = answer.choices[0].message.content or ""
    assert text
    assert answer.choices[0].finish_reason == "stop"
    assert " the" not in text
    assert "," not in text


async def test_eight_people_at_once_all_get_what_is_stored(live: Live) -> None:
    async def visit(http: ClientSession, number: int) -> None:
        async with page(http, live.url, me=f"person{number}") as one:
            said = await one.say(f"Tell me {number} things about bread.")
            done = await one.until("done", answer=said["answer"])
            assert done["reason"] in ("stop", "length")
            stored = (await one.open(said["conversation"]))["messages"][-1]
            assert stored["text"] == one.text(said["answer"]) != ""

    async with ClientSession() as http, asyncio.timeout(100):
        await asyncio.gather(*(visit(http, number) for number in range(8)))


async def test_a_second_turn_reuses_the_first(live: Live) -> None:
    async with ClientSession() as http, page(http, live.url) as one:
        said = await one.say("Count to five.")
        await one.until("done")
        await one.say("And now to ten.", said["conversation"])
        started = await one.until("started")
        assert started["cached_tokens"] > 0.8 * started["prompt_tokens"] - 20


async def test_stop_means_stop_while_the_prompt_is_read(live: Live) -> None:
    """On the page and over HTTP: the engine itself is free again at once, long before it would have read it all."""
    long = " ".join(f"{number * 7919 % 10007}" for number in range(700))
    async with ClientSession() as http, page(http, live.url) as one:
        await one.state(phase="ready", running=0)
        said = await one.say(f"{long} Which numbers are prime?")
        progress = await one.until("progress", answer=said["answer"])
        assert progress["done"] < progress["total"]
        await one.send("stop", answer=said["answer"])
        done = await one.until("done", answer=said["answer"])
        assert (done["reason"], done["n"]) == ("stopped", 0)
        await one.state(running=0, waiting=0)
        body = {"messages": [{"role": "user", "content": f"9 {long}"}], "stream": True}
        headers = {"X-Conversation-Id": "prefill"}
        url = f"{live.url}/v1/chat/completions"
        asking = asyncio.create_task(http.post(url, json=body, headers=headers))
        await one.state(running=1)
        async with http.delete(f"{live.url}/v1/stream?conv_id=prefill") as response:
            assert response.status == 204
        (await asking).close()
        await one.state(running=0, waiting=0)
        _, text = await one.ask("Say yes.")
        assert text


async def test_the_daemon_stays_small(live: Live) -> None:
    """After some answers the daemon alone is under 60 MB."""
    async with ClientSession() as http, page(http, live.url) as one:
        for _ in range(20):
            said = await one.say("Say yes.")
            await one.until("started")
            await one.send("stop", answer=said["answer"])
            await one.until("done", answer=said["answer"])
    assert psutil.Process(live.process.pid).memory_info().rss < 60 * MEGABYTE


async def test_loading_ends(live: Live) -> None:
    async with ClientSession() as http, asyncio.timeout(DEADLINE):
        while True:
            async with http.get(f"{live.url}/readyz") as response:
                body = json.loads(await response.read())
                if response.status == 200:
                    assert body["status"] == "ready"
                    return
                assert response.status == 503


async def test_what_is_typed_is_read_before_it_is_sent(live: Live) -> None:
    async with ClientSession() as http, page(http, live.url, me="typist") as one:
        await one.state(phase="ready", running=0)
        for patience in (
            0.5,
            1,
            2,
            4,
            8,
        ):  # nothing tells when it was read, so each try gives it longer
            long = f"For {patience} hours " + "the river, the stone and the old lantern " * 12
            for words in (long[:60], long[:200], long):
                await one.send("typing", conversation=None, text=words)
            await asyncio.sleep(patience)
            said = await one.say(long + "wait.")
            started = await one.until("started", answer=said["answer"])
            await one.send("stop", answer=said["answer"])
            await one.until("done", answer=said["answer"])
            if started["cached_tokens"] > 0.8 * started["prompt_tokens"]:
                return
    pytest.fail(f"only {started['cached_tokens']} tokens of {started['prompt_tokens']} were read")
