"""Two JSON schemas that both hold become one."""

from typing import Any

Json = dict[str, Any]

DESCRIBING = {"title", "description", "default", "examples", "$id", "$schema", "$comment"}
LOWER = {"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"}
UPPER = {"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"}
COMBINING = {"anyOf", "oneOf", "allOf", "$ref"}


class Clash(Exception):
    """The keyword that cannot be merged."""


def merge(left: Json, right: Json) -> Json:
    """What satisfies both. Raises Clash."""
    merged = dict(left)
    for key, value in right.items():
        if key not in merged or merged[key] == value or key in DESCRIBING:
            merged[key] = value
        elif key in COMBINING:
            merged["allOf"] = [*merged.get("allOf", []), {key: value}]
        else:
            merged[key] = _both(key, merged[key], value)
    return merged


def _both(key: str, old: Any, new: Any) -> Any:
    if key in LOWER:
        return max(old, new)
    if key in UPPER:
        return min(old, new)
    if key == "required":
        return list(dict.fromkeys([*old, *new]))
    if key == "enum":
        return [value for value in old if value in new]
    if key == "properties":
        shared = {name: {"allOf": [old[name], new[name]]} for name in old if name in new}
        return {**old, **new, **shared}
    if key == "type":
        return _types(old, new)
    if key in ("items", "additionalProperties"):
        return {"allOf": [old, new]} if old is not False and new is not False else False
    raise Clash(key)


def _types(old: Any, new: Any) -> list[str]:
    left, right = ([kind] if isinstance(kind, str) else list(kind) for kind in (old, new))
    both = [kind for kind in left if kind in right or (kind == "integer" and "number" in right)]
    if "number" in left and "integer" in right and "integer" not in both:
        both.append("integer")
    return both
