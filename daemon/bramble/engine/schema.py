"""Reads a stranger's JSON schema: follows its references, combines what it combines, and splits what it leaves open.

Bounded in looks and depth; nothing outside the schema is fetched.
"""

from collections.abc import Iterator
from typing import Any, cast

from bramble.engine.merge import Clash, merge

LOOKS = 4000
"""Subschemas looked at; the same one counts each time that it is referred to."""
DEPTH = 64

Json = dict[str, Any]

TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")
HINTS = {
    "object": ("properties", "required", "additionalProperties"),
    "array": ("items", "prefixItems", "minItems", "maxItems"),
    "string": ("minLength", "maxLength", "pattern", "format"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
}
"""What a schema without a type is taken to be about."""
BEYOND = (
    *("not", "if", "dependentSchemas", "dependentRequired", "patternProperties", "propertyNames"),
    *("pattern", "contains", "uniqueItems", "multipleOf", "unevaluatedProperties"),
)
"""Keywords that a grammar cannot hold an answer to."""
IDLE = {"title", "description", "default", "examples", "$defs", "definitions"}


class GrammarError(Exception):
    """Why a schema cannot be used: what comes after "The schema"."""


class Reader:
    """One schema and what it may refer to. `strict` refuses what would otherwise be left to luck."""

    def __init__(self, root: Any, *, strict: bool) -> None:
        self._root, self.strict = root, strict
        self._looks = 0

    def plain(self, schema: Any) -> Iterator[Json]:
        """All that a schema allows, as schemas of one type (or none: anything) that refer to nothing at their top."""
        return self._kinds(schema, frozenset(), 0)

    def _kinds(self, schema: Any, path: frozenset[str], depth: int) -> Iterator[Json]:
        """Alternatives stand side by side: rules that begin with rules cost llama.cpp exponential time."""
        self._looks += 1
        if self._looks > LOOKS or depth > DEPTH:
            raise GrammarError("is too large or nested too deeply")
        if schema is True:
            yield {"type": None}
        if not isinstance(schema, dict):
            if isinstance(schema, bool):
                return
            raise GrammarError("holds something that is no schema")
        rest = dict(cast(Json, schema))
        if "$ref" in rest:
            reference = rest.pop("$ref")
            if reference not in path:  # else it is its own alternative, which adds nothing
                target = self._resolve(reference)
                together = {"allOf": [target, rest]} if _says(rest) else target
                yield from self._kinds(together, path | {reference}, depth + 1)
        elif "allOf" in rest:
            for part in some(rest.pop("allOf"), "allOf"):
                rest = self._merge(rest, self._direct(part))
            yield from self._kinds(rest, path, depth + 1)
        elif key := next((key for key in ("anyOf", "oneOf") if key in rest), None):
            for choice in some(rest.pop(key), key):
                together = {"allOf": [choice, rest]} if _says(rest) else choice
                yield from self._kinds(together, path, depth + 1)
        elif isinstance(rest.get("type"), list):
            for kind in rest["type"]:
                yield from self._kinds({**rest, "type": kind}, path, depth + 1)
        else:
            yield self._typed(rest)

    def _direct(self, schema: Any) -> Json:
        """A part of allOf without its reference."""
        seen: set[str] = set()
        while isinstance(schema, dict) and "$ref" in schema:
            rest = dict(cast(Json, schema))
            reference = rest.pop("$ref")
            if reference in seen:
                raise GrammarError("refers to itself in allOf")
            seen.add(reference)
            schema = self._merge(rest, self._direct(self._resolve(reference)))
        if schema is True:
            return {}
        if not isinstance(schema, dict):
            raise GrammarError("holds something that is no schema in allOf")
        return cast(Json, schema)

    def _merge(self, left: Json, right: Json) -> Json:
        try:
            return merge(left, right)
        except Clash as error:
            if self.strict:
                raise GrammarError(f"combines {error} in a way that cannot be kept here") from None
            return {**left, **right}

    def _typed(self, schema: Json) -> Json:
        for key in BEYOND:
            if self.strict and schema.get(key) not in (None, False):
                raise GrammarError(f"uses {key}, which cannot be enforced here; leave strict out")
        if "const" in schema or "enum" in schema:
            return schema
        kind = schema.get("type")
        if kind is None:
            guesses = (t for t, keys in HINTS.items() if any(key in schema for key in keys))
            kind = next(guesses, None)
        if kind is not None and kind not in TYPES:
            raise GrammarError(f"has an unknown type: {kind!r}")
        return {**schema, "type": kind}

    def _resolve(self, reference: Any) -> Any:
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise GrammarError(f"refers to {reference!r}; only #/… inside itself can be followed")
        target = self._root
        for step in reference.removeprefix("#").split("/")[1:]:
            step = step.replace("~1", "/").replace("~0", "~")
            if isinstance(target, list) and step.isdecimal():
                target = cast(Any, target[int(step)])
            elif isinstance(target, dict) and step in target:
                target = cast(Any, target[step])
            else:
                raise GrammarError(f"refers to {reference!r}, which is not there")
        return target


def _says(schema: Json) -> bool:
    """Whether a schema says more than what it is for."""
    return bool(
        schema.keys() - {"title", "description", "default", "examples", "$defs", "definitions"}
    )


def some(value: object, key: str, *, empty: bool = False) -> list[Any]:
    """A list that should hold something. Raises GrammarError."""
    if isinstance(value, list) and (value or empty):
        return cast(list[Any], value)
    raise GrammarError(f"has no list of values in {key}")
