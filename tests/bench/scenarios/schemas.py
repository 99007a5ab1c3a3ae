"""Ten kinds of output that programs ask for. Every length is bounded, so that an answer can end in time."""

from typing import Any

Json = dict[str, Any]


def _object(**properties: Json) -> Json:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _text(longest: int = 40) -> Json:
    return {"type": "string", "minLength": 1, "maxLength": longest}


def _list(items: Json, fewest: int, most: int) -> Json:
    return {"type": "array", "items": items, "minItems": fewest, "maxItems": most}


def _one_of(*values: str) -> Json:
    return {"type": "string", "enum": list(values)}


INTEGER: Json = {"type": "integer", "minimum": 0, "maximum": 1000}
TRUTH: Json = {"type": "boolean"}

SCHEMAS: dict[str, tuple[str, Json]] = {
    "switch": (
        "Turn the kitchen light on.",
        _object(device=_one_of("kitchen", "hall", "garden"), on=TRUTH),
    ),
    "person": ("Invent a person.", _object(name=_text(), age=INTEGER, city=_text())),
    "mood": (
        "How does 'I won the race!' sound?",
        _object(mood=_one_of("glad", "sad", "angry", "calm"), certain=TRUTH),
    ),
    "shopping": (
        "列一个做番茄炒蛋的购物清单。",
        _object(items=_list(_object(name=_text(20), count=INTEGER), 1, 4)),
    ),
    "numbers": ("Name some prime numbers.", _object(primes=_list(INTEGER, 2, 6))),
    "route": (
        "Describe a walk from the station to the river.",
        _object(
            start=_text(),
            steps=_list(_object(turn=_one_of("left", "right", "on"), street=_text()), 1, 3),
        ),
    ),
    "maybe": (
        "What is the phone number of the moon?",
        _object(answer={"anyOf": [_text(), {"type": "null"}]}, known=TRUTH),
    ),
    "weather": (
        "Report the weather of a winter day.",
        _object(kind={"const": "report"}, celsius={"type": "integer"}, sky=_text(20)),
    ),
    "tree": (
        "Describe a shelf with a box in it.",
        {
            "$defs": {"thing": _object(name=_text(20), colour=_one_of("red", "blue", "green"))},
            **_object(shelf={"$ref": "#/$defs/thing"}, box={"$ref": "#/$defs/thing"}),
        },
    ),
    "list": ("Name some fruit.", _list(_text(20), 1, 5)),
}
"""A question and the JSON schema of its answer, by name."""
