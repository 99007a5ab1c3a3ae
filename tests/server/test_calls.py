"""Calls in what models write: found however the text is cut, and never shown as text."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bramble.server.calls import Call, CallReader

NAMES = frozenset({"weather", "lamp"})
WEATHER = '{"name": "weather", "arguments": {"city": "北京", "note": "} </tool_call> {"}}'
LAMP = '{"name": "lamp", "parameters": {"on": true}}'
CITY = ("weather", {"city": "北京", "note": "} </tool_call> {"})
ON = ("lamp", {"on": True})

Found = tuple[str, list[tuple[str, object]]]

WRITTEN: dict[str, tuple[str, Found]] = {
    "in tags": (f"<tool_call>\n{WEATHER}\n</tool_call>", ("", [CITY])),
    "two in tags": (
        f"<tool_call>\n{WEATHER}\n</tool_call>\n<tool_call>{LAMP}</tool_call>\n",
        ("", [CITY, ON]),
    ),
    "after words": (f"Let me see.\n<tool_call>{LAMP}</tool_call>", ("Let me see.", [ON])),
    "not closed": (f"<tool_call>{LAMP}", ("", [ON])),
    "before words": (f"<tool_call>{LAMP}</tool_call>Done.", ("Done.", [ON])),
    "bare": (f"  {WEATHER}\n", ("", [CITY])),
    "bare list": (f"[{WEATHER}, {LAMP}]", ("", [CITY, ON])),
    "bare, one after another": (f"{WEATHER}; {LAMP}", ("", [CITY, ON])),
    "fenced": (f"```json\n{LAMP}\n```", ("", [ON])),
    "marked": (f"<|python_tag|>{LAMP}", ("", [ON])),
    "as OpenAI writes": ('{"type":"function","function":' + LAMP + "}", ("", [ON])),
    "as a list of OpenAI's": ('{"tool_calls":[{"function":' + LAMP + "}]}", ("", [ON])),
    "arguments as text": ('{"name":"lamp","arguments":"{\\"on\\": true}"}', ("", [ON])),
    "no arguments": ('{"name":"lamp"}', ("", [("lamp", {})])),
}
TEXTS = {
    "words": "Hello, how are you?",
    "blanks": " \n ",
    "other JSON": '{"city": "北京"}',
    "a person": '{"name": "Tom", "age": 3}',
    "an unknown tool": '{"name": "rm", "arguments": {}}',
    "a list": "[1, 2, 3]",
    "code": "```json\n[1]\n```",
    "code of another kind": "```python\nprint(1)\n```",
    "a tag alone": "Use <tool_call> like <this>.",
    "tags around words": "<tool_call>nothing</tool_call> more",
    "tags around an unknown tool": '<tool_call>{"name": "rm", "arguments": {}}</tool_call>',
    "arguments that are none": '{"name": "lamp", "arguments": [1]}',
    "NaN": '{"name": "lamp", "arguments": {"on": NaN}}',
    "cut": '{"name": "lamp", "arguments": {"on',
    "cut in tags": '<tool_call>\n{"name": "lamp", "argu',
    "deep": "[" * 5000,
    "a long number": '{"name": "lamp", "arguments": {"n": ' + "9" * 5000 + "}}",
}


def read(text: str, cuts: list[int], *, several: bool = True) -> Found:
    reader = CallReader(NAMES, several=several)
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    parts = [part for start, end in pairwise(places) for part in reader.feed(text[start:end])]
    parts += reader.finish()
    calls = [part for part in parts if isinstance(part, Call)]
    assert len({call.id for call in calls}) == len(calls)
    text = "".join(part for part in parts if isinstance(part, str))
    return text, [(call.name, json.loads(call.arguments)) for call in calls]


CUTS = st.lists(st.integers(0, 10_000), max_size=30)


@given(st.sampled_from(sorted(WRITTEN)), CUTS)
def test_calls_are_found_however_they_are_cut(name: str, cuts: list[int]) -> None:
    text, found = WRITTEN[name]
    assert read(text, cuts) == found


@given(st.sampled_from(sorted(TEXTS)), CUTS)
def test_what_is_no_call_is_text_to_the_last_character(name: str, cuts: list[int]) -> None:
    assert read(TEXTS[name], cuts) == (TEXTS[name], [])


@given(st.text(alphabet='<tool_ca>/{}[]"name:, \n`'), CUTS)
def test_nothing_is_lost(text: str, cuts: list[int]) -> None:
    assert read(text, cuts) == (text, [])


@pytest.mark.parametrize("name", WRITTEN)
def test_only_the_first_call_counts_where_one_is_wanted(name: str) -> None:
    text, (said, calls) = WRITTEN[name]
    assert read(text, [5, 9], several=False) == (said, calls[:1])


def test_ordinary_words_are_told_at_once() -> None:
    reader = CallReader(NAMES, several=True)
    assert reader.feed("The") == ["The"]
    assert reader.feed(" lamp <b") == [" lamp <b"]
    assert reader.feed(" <tool") == []
    assert reader.feed("s>") == [" <tools>"]


def test_an_answer_in_json_is_held_only_until_it_cannot_be_a_call() -> None:
    reader = CallReader(NAMES, several=True)
    assert reader.feed('{"na') == []
    assert reader.feed('mes": [') == ['{"names": [']
    assert reader.feed('"a"') == ['"a"']
