"""The completions' finer wishes with the real model, through the openai SDK."""

import json
import math
from collections.abc import AsyncIterator

import pytest
from openai import AsyncOpenAI, BadRequestError
from openai.types.chat import ChatCompletionMessageParam
from openai.types.shared_params import ResponseFormatJSONSchema

from tests.daemons import Live

QUESTION: ChatCompletionMessageParam = {"role": "user", "content": "Invent a name for a boat."}


@pytest.fixture
async def client(live: Live) -> AsyncIterator[AsyncOpenAI]:
    url = f"{live.url}/v1"
    async with AsyncOpenAI(base_url=url, api_key="any", max_retries=20) as client:
        await client.models.list()
        yield client


async def test_choices_differ_and_share_their_prompt(client: AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(
        model="x", messages=[QUESTION], n=4, max_tokens=24, temperature=1.5, seed=5
    )
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    assert len({choice.message.content for choice in answer.choices}) > 1


async def test_logprobs_are_told_of_every_token(client: AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(
        model="x",
        messages=[QUESTION],
        max_tokens=12,
        temperature=0,
        logprobs=True,
        top_logprobs=4,
    )
    told = answer.choices[0].logprobs
    assert told is not None
    assert told.content is not None
    assert answer.usage is not None
    assert "".join(one.token for one in told.content) == answer.choices[0].message.content
    for one in told.content:
        assert one.logprob <= 0
        tops = [top.logprob for top in one.top_logprobs]
        assert len(tops) == 4
        assert tops == sorted(tops, reverse=True)
        assert sum(map(math.exp, tops)) <= 1.0001
        assert one.logprob == pytest.approx(tops[0], abs=1e-4)  # temperature 0 takes the likeliest


async def test_streamed_logprobs_belong_to_the_text(client: AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model="x", messages=[QUESTION], max_tokens=12, logprobs=True, seed=1, stream=True
    )
    text, told = "", ""
    async for chunk in stream:
        text += chunk.choices[0].delta.content or ""
        logprobs = chunk.choices[0].logprobs
        told += "".join(one.token for one in (logprobs.content or [])) if logprobs else ""
    assert text == told != ""


async def test_bias_forbids_and_forces_a_token(client: AsyncOpenAI) -> None:
    async def first(bias: dict[str, int]) -> str:
        answer = await client.completions.create(
            model="x",
            prompt="The sky is",
            max_tokens=1,
            temperature=0,
            logit_bias=bias,
        )
        return answer.choices[0].text

    free = await first({})
    forced = await first({"1000": 100, "999999": 100})
    assert forced != free
    assert await first({"1000": -100}) == free


async def test_a_raw_prompt_is_continued_as_it_is(client: AsyncOpenAI) -> None:
    async def ask(prompt: str | list[int]) -> str:
        answer = await client.completions.create(
            model="x", prompt=prompt, max_tokens=12, temperature=0
        )
        assert answer.choices[0].finish_reason == "length"
        return answer.choices[0].text

    assert "1" in await ask("One: 1\nTwo: 2\nThree: 3\nFour: 4\nOne:")
    assert await ask([504, 1000, 300])


async def test_legacy_logprobs_have_offsets(client: AsyncOpenAI) -> None:
    answer = await client.completions.create(
        model="x", prompt="The sky is", max_tokens=8, temperature=0, logprobs=2
    )
    text, told = answer.choices[0].text, answer.choices[0].logprobs
    assert told is not None
    assert told.tokens is not None
    assert told.text_offset is not None
    for token, offset in zip(told.tokens, told.text_offset, strict=True):
        assert text.startswith(token, offset)


async def test_a_token_that_the_model_has_not_is_refused(client: AsyncOpenAI) -> None:
    for tokens in ([1, 10_000_000], [-1], [1, 49152]):
        with pytest.raises(BadRequestError, match="no token"):
            await client.completions.create(model="x", prompt=tokens)


async def test_an_answer_of_a_schema(client: AsyncOpenAI) -> None:
    schema: dict[str, object] = {
        "type": "object",
        "properties": {
            "name": {"type": "string", "maxLength": 20},
            "length": {"type": "integer", "minimum": 1, "maximum": 90},
        },
        "required": ["name", "length"],
        "additionalProperties": False,
    }
    asked: ResponseFormatJSONSchema = {
        "type": "json_schema",
        "json_schema": {"name": "boat", "schema": schema, "strict": True},
    }
    stream = await client.chat.completions.create(
        model="x",
        messages=[QUESTION],
        max_tokens=200,
        temperature=1,
        n=2,
        response_format=asked,
        stream=True,
    )
    texts, reasons = ["", ""], ["", ""]
    async for chunk in stream:
        choice = chunk.choices[0]
        texts[choice.index] += choice.delta.content or ""
        reasons[choice.index] += choice.finish_reason or ""
    for text in texts:
        boat = json.loads(text)
        assert boat.keys() == {"name", "length"}
        assert 1 <= boat["length"] <= 90
    assert reasons == ["stop", "stop"]


async def test_any_json_object(client: AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(
        model="x", messages=[QUESTION], max_tokens=300, response_format={"type": "json_object"}
    )
    text = answer.choices[0].message.content or ""
    assert text.startswith("{")
    if answer.choices[0].finish_reason == "stop":
        assert isinstance(json.loads(text), dict)


async def test_a_schema_that_cannot_be_used_is_refused(client: AsyncOpenAI) -> None:
    refused: list[tuple[dict[str, object], str]] = [
        ({"$ref": "https://example.org"}, "only #/"),
        ({"enum": []}, "enum"),
        ({"const": "x" * 70_000}, "longer"),
    ]
    for schema, words in refused:
        with pytest.raises(BadRequestError, match=words):
            await client.chat.completions.create(
                model="x",
                messages=[QUESTION],
                response_format={
                    "type": "json_schema",
                    "json_schema": {"name": "x", "schema": schema},
                },
            )
