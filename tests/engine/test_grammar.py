"""Grammars from schemas: what they let through, what they refuse, and what a hostile schema cannot do."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bramble.engine import gbnf
from bramble.engine.constraint import Constraint
from bramble.engine.extras import Schema
from bramble.engine.grammar import from_schema
from bramble.engine.llama import Model
from bramble.engine.schema import GrammarError
from tests.engine.schemas import SCHEMAS

ENDS = st.none() | st.integers(-300, 3000)


@pytest.fixture(scope="module")
def model(starter: Path) -> Model:
    return Model(starter, mmap=True, progress=lambda _: None)


def lets_through(model: Model, grammar: str, text: str) -> bool:
    """Whether llama.cpp lets all of a text through its grammar, the end included."""
    constraint = Constraint(model, grammar)
    try:
        for token in model.tokenize(text):
            if not constraint.allows(token):
                return False
            constraint.accept(token)
        return constraint.allows(model.end)
    finally:
        constraint.close()


def allows(model: Model, schema: object, value: object, *, strict: bool = False) -> bool:
    grammar = from_schema(Schema(json.dumps(schema), strict))
    return lets_through(model, grammar, json.dumps(value, ensure_ascii=False))


EXAMPLES: dict[str, tuple[Any, list[Any], list[Any]]] = {
    "person": (
        SCHEMAS["person"],
        [{"name": "李雷", "age": 0}, {"name": "A", "age": 120, "email": "a.b@example.org"}],
        [{}, {"name": "", "age": 1}, {"name": "A", "age": 121}, {"name": "A" * 31, "age": 1}, []],
    ),
    "choice": (SCHEMAS["choice"], ["深蓝", 'with "quotes"\n', 7, None, True], ["black", 8, False]),
    "list": (SCHEMAS["list"], [["a", "b"], ["", "", "", "x"]], [["a"], ["a"] * 5, ["a", 1]]),
    "tree": (
        {
            "type": "object",
            "properties": {
                "value": {"type": "integer", "minimum": -9, "maximum": 9},
                "left": {"anyOf": [{"$ref": "#"}, {"type": "null"}]},
            },
            "required": ["value", "left"],
        },
        [{"value": -9, "left": {"value": 0, "left": None}}],
        [{"value": 10, "left": None}, {"value": 1}],
    ),
    "both": (SCHEMAS["both"], [{"a": "abc", "b": None}], [{"a": "ab", "b": 1}, {"a": "abc"}]),
    "optional": (
        SCHEMAS["optional"],
        [{"three": [1, "x"]}, {"one": 1, "three": [1, ""], "four": True}],
        [{}, {"one": 1}, {"three": [1]}, {"three": [1, "a", 2]}],
    ),
    "all optional": (
        {"properties": {"a": {"type": "null"}, "b": {"type": "null"}, "c": {"type": "null"}}},
        [{}, {"a": None}, {"c": None}, {"a": None, "c": None}, {"a": None, "b": None, "c": None}],
        [{"d": None}, None],
    ),
    "map": (
        {"type": "object", "additionalProperties": {"type": "integer"}},
        [{}, {"x": 1}, {"x": 1, "y z": -2}],
        [{"x": "1"}],
    ),
    "anything": (True, [[], {}, "x", -1.5e3, None, {"a": [{"b": ["c", False]}]}], []),
    "empty object": ({"type": "object", "additionalProperties": False}, [{}], [{"a": 1}]),
    "required unnamed": ({"type": "object", "required": ["x"]}, [{"x": [1]}], [{}]),
    "date": (
        {"type": "string", "format": "date"},
        ["2024-01-31", "2024-02-28", "1999-11-30"],
        ["2024-02-30", "2024-11-31", "2024-13-01", "x"],
    ),
    "pointers": (
        {"$defs": {"a/b": [{"const": 1}]}, "properties": {"x": {"$ref": "#/$defs/a~1b/0"}}},
        [{"x": 1}],
        [{"x": 2}],
    ),
    "no more than none": ({"type": "array", "maxItems": 0}, [[]], [[1]]),
    "exactly": ({"type": "string", "minLength": 3, "maxLength": 3}, ["中文字"], ["中文", "abcd"]),
    "a long list": (
        {"type": "array", "items": {"anyOf": [{"type": "null"}, {"const": 1}]}, "maxItems": 2000},
        [[], [1, None] * 900],
        [],
    ),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_a_grammar_lets_through(model: Model, name: str) -> None:
    schema, right, wrong = EXAMPLES[name]
    for value in right:
        assert allows(model, schema, value, strict=True), value
    for value in wrong:
        assert not allows(model, schema, value, strict=True), value


@settings(max_examples=60)
@given(ENDS, ENDS, st.integers(-400, 4000))
def test_whole_numbers_of_a_range(model: Model, low: int | None, high: int | None, n: int) -> None:
    expression = gbnf.integers(low, high)
    inside = (low is None or low <= n) and (high is None or n <= high)
    if expression:
        assert lets_through(model, f"root ::= {expression}\n", str(n)) == inside
    else:
        assert not inside


@settings(max_examples=60)
@given(ENDS, ENDS, st.booleans(), st.booleans(), st.decimals(-400, 4000, places=2))
def test_numbers_of_a_range(
    model: Model, low: int | None, high: int | None, above: bool, below: bool, n: Any
) -> None:
    expression = gbnf.numbers(low, high, above=above, below=below)
    inside = (low is None or (low < n if above else low <= n)) and (
        high is None or (n < high if below else n <= high)
    )
    if expression:
        assert lets_through(model, f"root ::= {expression}\n", str(n)) == inside
    else:
        assert not inside


@settings(max_examples=60)
@given(st.text(max_size=30))
def test_any_text_can_be_a_string(model: Model, text: str) -> None:
    assume(b"".join(map(model.piece, model.tokenize(text))) == text.encode())
    plain = "".join(c for c in text if c.isprintable() and not "\ud800" <= c <= "\udfff")
    assert allows(model, {"type": "string"}, plain)
    assert allows(model, {"const": text.replace("\x00", "")}, text.replace("\x00", ""))


BAD: dict[str, tuple[str, str]] = {
    "no json": ("{", "not valid JSON"),
    "no schema": ("7", "no schema"),
    "nothing": ("false", "no value"),
    "an unknown type": ('{"type":"date"}', "unknown type"),
    "a remote reference": ('{"$ref":"https://example.org/x"}', "only #/"),
    "a file": ('{"$ref":"file:///etc/passwd"}', "only #/"),
    "a dangling reference": ('{"$ref":"#/$defs/x"}', "not there"),
    "itself": ('{"$ref":"#"}', "no value"),
    "itself in all": ('{"allOf":[{"$ref":"#"}]}', "schema|nested|refers"),
    "an empty choice": ('{"enum":[]}', "enum"),
    "nothing between": ('{"type":"integer","minimum":5,"maximum":4}', "number"),
    "a wrong bound": ('{"type":"string","maxLength":"9"}', "number belongs"),
    "a bound of no number": ('{"type":"integer","minimum":NaN}', "cannot be read"),
    "an endless bound": ('{"type":"integer","minimum":Infinity}', "cannot be read"),
    "a far bound": ('{"type":"integer","minimum":1e300}', "too far"),
    "a long string": ('{"type":"string","minLength":999999999}', "counts further"),
    "half a pair": ('{"const":"\\ud800"}', "cannot be read"),
    "a pattern": ('{"type":"string","pattern":"^a+$"}', "pattern"),
    "not": ('{"not":{}}', "not"),
    "properties that are none": ('{"properties":[1]}', "properties"),
    "too long": (" " * 70_000, "longer"),
    "too deep": ("[" * 30_000, "nested"),
    "deep alternatives": ('{"anyOf":[' * 300 + "{}" + "]}" * 300, "nested"),
    "many branches": (
        json.dumps(
            {
                "$defs": {
                    f"a{n}": {"anyOf": [{"$ref": f"#/$defs/a{n + 1}"}, {"$ref": f"#/$defs/b{n}"}]}
                    for n in range(40)
                }
                | {f"b{n}": {"$ref": f"#/$defs/a{n + 1}"} for n in range(40)},
                "$ref": "#/$defs/a0",
            }
        ),
        "large",
    ),
    "a long choice": (json.dumps({"enum": list(range(3000))}), "open at once"),
    "alternatives that begin alike": (
        json.dumps(
            {
                "$defs": {
                    f"d{n}": {
                        "anyOf": [
                            {"properties": {"a": {"$ref": f"#/$defs/d{n + 1}"}, f"b{k}": {}}}
                            for k in range(9)
                        ]
                    }
                    for n in range(5)
                }
                | {"d5": {"type": "null"}},
                "$ref": "#/$defs/d0",
            }
        ),
        "open at once",
    ),
    "the same for ever": (
        json.dumps(
            {
                "$defs": {
                    "x": {
                        "anyOf": [
                            {"properties": {"a": {"$ref": "#/$defs/x"}, "b": {}}},
                            {"properties": {"a": {"$ref": "#/$defs/x"}, "c": {}}},
                        ]
                    }
                },
                "$ref": "#/$defs/x",
            }
        ),
        "begin alike",
    ),
    "many strings": (
        json.dumps({"prefixItems": [{"type": "string", "maxLength": 1900 + n} for n in range(99)]}),
        "counts further",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_schema_is_refused_in_words_and_in_time(name: str) -> None:
    text, words = BAD[name]
    began = time.monotonic()
    with pytest.raises(GrammarError, match=words):
        from_schema(Schema(text, strict=True))
    assert time.monotonic() - began < 5


def test_without_strict_what_cannot_be_held_is_left_to_the_model(model: Model) -> None:
    schema = {"type": "string", "pattern": "^[a-f]+$", "not": {"const": "x"}}
    assert allows(model, schema, "abc")


def test_alternatives_that_are_told_apart_may_nest_for_ever(model: Model) -> None:
    """An expression, as programs describe one: which kind it is comes first."""
    both = {"a": {"$ref": "#/$defs/x"}, "b": {"$ref": "#/$defs/x"}}
    names = ("kind", "a", "b")
    kinds = [
        {"properties": {"kind": {"const": kind}, **both}, "required": list(names)}
        for kind in ("sum", "product")
    ]
    schema = {"$defs": {"x": {"anyOf": [*kinds, {"type": "number"}]}}, "$ref": "#/$defs/x"}
    inner = {"kind": "product", "a": 2, "b": 3.5}
    assert allows(model, schema, {"kind": "sum", "a": inner, "b": 1}, strict=True)


def test_schemas_that_go_on_for_ever_have_small_grammars(model: Model) -> None:
    endless = {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}
    grammar = from_schema(Schema(json.dumps(endless)))
    assert len(grammar) < 2000
    assert not lets_through(model, grammar, '{"a":{"a":{}}}')
