"""Answers of the real model held to schemas: every one validates, and nothing that a schema does ends the engine."""

import json
from itertools import islice

import jsonschema
import pytest

from bramble.engine import wire
from bramble.engine.extras import Bias, Extras, Schema
from tests.engine.rig import Answer, Ask, Rig
from tests.engine.schemas import SCHEMAS


def asks(name: str, count: int) -> list[Ask]:
    """Requests for JSON of a schema, at temperature 1, each with a seed of its own."""
    extras = Extras(schema=Schema(json.dumps(SCHEMAS[name]), strict=True))
    text = f"Give me an example of a {name} as JSON."
    return [
        Ask(text, tokens=900, temperature=1.0, seed=seed, extras=extras) for seed in range(count)
    ]


def validated(own: Rig, name: str, count: int) -> int:
    """How many of `count` answers ended by themselves; those must all be of the schema."""
    whole = 0
    todo = iter(asks(name, count))
    while some := [own.ask(ask) for ask in islice(todo, 4)]:
        for answer in own.wait(*some):
            assert isinstance(answer.end, wire.Done), answer.end
            if answer.done.reason == "stop":
                value = json.loads(answer.text)
                jsonschema.validate(
                    value,
                    SCHEMAS[name],
                    format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER,
                )
                whole += 1
    return whole


@pytest.mark.parametrize("name", SCHEMAS)
def test_answers_validate(own: Rig, name: str) -> None:
    assert validated(own, name, 1) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", SCHEMAS)
def test_ten_of_ten_answers_validate(own: Rig, name: str) -> None:
    assert validated(own, name, 10) == 10


def ask_json(own: Rig, schema: str, tokens: int = 200, strict: bool = False) -> Answer:
    extras = Extras(schema=Schema(schema, strict))
    return own.answer(Ask("Describe a cat.", tokens=tokens, temperature=1.0, seed=3, extras=extras))


def test_an_answer_that_is_cut_says_so(own: Rig) -> None:
    answer = ask_json(
        own, '{"properties":{"text":{"type":"string","minLength":90}},"required":["text"]}', 4
    )
    assert answer.done.reason == "length"
    assert answer.text.startswith("{")


def test_an_answer_ends_with_its_last_bracket(own: Rig) -> None:
    answer = ask_json(own, '{"type":"array","items":{"type":"null"},"minItems":2,"maxItems":2}')
    assert json.loads(answer.text) == [None, None]
    assert answer.done.reason == "stop"
    exact = answer.done.completion_tokens
    again = ask_json(
        own, '{"type":"array","items":{"const":null},"minItems":2,"maxItems":2}', exact
    )
    assert again.done.reason == "stop"  # no token is spent on saying that it is over


@pytest.mark.parametrize(
    "schema",
    ["{", "[1]", '{"$ref":"#"}', '{"$ref":"http://example.org"}', '{"type":"thing"}', "{" * 9999],
)
def test_a_bad_schema_is_refused_and_the_engine_lives(own: Rig, schema: str) -> None:
    answer = ask_json(own, schema)
    assert isinstance(answer.end, wire.Refused)
    assert answer.end.code == "bad_request"
    assert "schema" in answer.end.message
    assert own.answer(Ask("Hi", tokens=2)).done.completion_tokens == 2


def test_a_grammar_keeps_to_itself_beside_free_answers_and_guesses(own: Rig) -> None:
    """Guessed tokens are drawn by the grammar, too: a text that is to be repeated is a trap for it."""
    trap = '{"a": 1}\n' * 12
    extras = Extras(
        schema=Schema('{"properties":{"b":{"const":"' + "no " * 20 + '"}},"required":["b"]}')
    )
    held = own.ask(Ask("Repeat: " + trap, tokens=100, extras=extras))
    free = own.ask(Ask("Repeat: " + trap, tokens=40))
    answer, other = own.wait(held, free)
    assert json.loads(answer.text) == {"b": "no " * 20}
    assert other.done.completion_tokens > 0


def test_bias_and_penalties_cannot_break_a_grammar(own: Rig) -> None:
    extras = Extras(schema=Schema('{"enum":["yes","no"]}'))
    bias = tuple(Bias(token, 100.0) for token in range(0, 3000, 7))
    sampling = wire.Sampling(temperature=2.0, presence_penalty=2.0, logit_bias=bias, seed=1)
    turns = (wire.Turn("user", "Is it?"),)
    answer = own.put(turns, 20, sampling, extras)
    assert json.loads(answer.text) in ("yes", "no")


def test_logprobs_are_told_of_held_answers(own: Rig) -> None:
    extras = Extras(schema=Schema('{"enum":["yes","no"]}'), logprobs=1)
    answer = own.answer(Ask("Is it?", tokens=20, extras=extras))
    told = [one for e in answer.events if isinstance(e, wire.Piece) for one in e.drawn]
    assert b"".join(one.token for one in told).decode() == answer.text
