"""Ten JSON schemas as programs send them; every one bounds its texts and lists, so that an answer ends by itself."""

from typing import Any

SHORT = {"type": "string", "maxLength": 20}

SCHEMAS: dict[str, dict[str, Any]] = {
    "person": {
        "type": "object",
        "properties": {
            "name": {"type": "string", "minLength": 1, "maxLength": 30},
            "age": {"type": "integer", "minimum": 0, "maximum": 120},
            "email": {"type": "string", "format": "email"},
        },
        "required": ["name", "age"],
        "additionalProperties": False,
    },
    "choice": {"enum": ["red", "green", "blue", "深蓝", 'with "quotes"\n', 7, None, True]},
    "list": {"type": "array", "items": SHORT, "minItems": 2, "maxItems": 4},
    "nested": {
        "type": "object",
        "properties": {
            "home": {"$ref": "#/$defs/room"},
            "rooms": {"type": "array", "items": {"$ref": "#/$defs/room"}, "maxItems": 2},
        },
        "required": ["home", "rooms"],
        "$defs": {
            "room": {
                "type": "object",
                "properties": {"label": SHORT, "lit": {"type": "boolean"}},
                "required": ["label", "lit"],
                "additionalProperties": False,
            }
        },
    },
    "table": {
        "type": "array",
        "items": {
            "type": "array",
            "items": {"type": "integer", "minimum": -9, "maximum": 9},
            "minItems": 3,
            "maxItems": 3,
        },
        "minItems": 1,
        "maxItems": 3,
    },
    "numbers": {
        "type": "object",
        "properties": {
            "share": {"type": "number", "minimum": 0, "maximum": 1},
            "price": {"type": "number", "exclusiveMinimum": 0, "maximum": 500},
            "degrees": {"type": "number", "minimum": -40, "maximum": 60},
            "count": {"type": "integer", "minimum": 17, "maximum": 4321},
        },
        "required": ["share", "price", "degrees", "count"],
    },
    "times": {
        "type": "object",
        "properties": {
            "day": {"type": "string", "format": "date"},
            "at": {"type": "string", "format": "date-time"},
            "id": {"type": "string", "format": "uuid"},
            "address": {"type": "string", "format": "ipv4"},
        },
        "required": ["day", "at", "id", "address"],
    },
    "union": {
        "type": "object",
        "properties": {
            "shape": {
                "oneOf": [
                    {
                        "type": "object",
                        "properties": {"kind": {"const": "circle"}, "r": {"type": "integer"}},
                        "required": ["kind", "r"],
                    },
                    {
                        "type": "object",
                        "properties": {"kind": {"const": "square"}, "side": {"type": "number"}},
                        "required": ["kind", "side"],
                    },
                ]
            }
        },
        "required": ["shape"],
    },
    "both": {
        "allOf": [
            {"type": "object", "properties": {"a": SHORT}, "required": ["a"]},
            {
                "properties": {"b": {"type": ["integer", "null"]}, "a": {"minLength": 3}},
                "required": ["b"],
            },
        ]
    },
    "optional": {
        "type": "object",
        "properties": {
            "one": {"type": "integer"},
            "two": SHORT,
            "three": {"type": "array", "prefixItems": [{"type": "integer"}, SHORT], "items": False},
            "four": {"type": "boolean"},
        },
        "required": ["three"],
    },
}
