"""JSON schemas from strangers become llama.cpp grammars: bounded in size, depth and time; nothing is fetched.

What a grammar allows is always valid, but not all that is valid is allowed: members come in the schema's order, and
none that it does not name. Keywords that a grammar cannot hold an answer to are refused where that is strictly wanted.
"""

import json
import math
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

from bramble.engine import gbnf
from bramble.engine.bounds import Overrun, bounded
from bramble.engine.extras import Schema
from bramble.engine.openness import Openness
from bramble.engine.schema import GrammarError, Json, Reader, some

SECONDS = 2.0
MEMORY = 128 * 1024 * 1024
TEXT_LIMIT = 64 * 1024
REPEATS = 2000
"""Longest string or array that is counted out; llama.cpp makes a rule of each place."""
REPEATS_IN_ALL = 20_000


def from_schema(schema: Schema) -> str:
    """A grammar for JSON of this schema. Raises GrammarError."""
    return written(*rules_for(schema))


def rules_for(
    schema: Schema, *, prefix: str = "", kind: str | None = None
) -> tuple[str, dict[str, str]]:
    """Where to start, and the rules that it takes; `kind` narrows the schema to one type.

    The names of all but the common rules begin with `prefix`. Raises GrammarError.
    """
    if len(schema.text) > TEXT_LIMIT:
        raise GrammarError(f"is longer than {TEXT_LIMIT} characters")
    with _guarded():
        root = json.loads(schema.text)
        rules = _Rules(root, strict=schema.strict, prefix=prefix)
        start = rules.value({"allOf": [root, {"type": kind}]} if kind else root)
        made = rules.make()
        written(start, made).encode()  # half a surrogate pair is no text
    return start, made


def written(start: str, rules: dict[str, str]) -> str:
    """A grammar as llama.cpp reads it."""
    return "".join(f"{name} ::= {rule}\n" for name, rule in {"root": start, **rules}.items())


class _Rules:
    """The rules of one schema, made one after another: a schema may refer to itself."""

    def __init__(self, root: Any, *, strict: bool, prefix: str) -> None:
        self._prefix = prefix
        self._open, self._making = Openness(), "root"
        self._reader, self._strict = Reader(root, strict=strict), strict
        self._repeats = 0
        self._names: dict[str, str] = {}
        self._rules: dict[str, str] = dict(gbnf.COMMON)
        self._waiting: list[tuple[str, Json]] = []

    def make(self) -> dict[str, str]:
        """All rules by name."""
        while self._waiting:
            name, schema = self._waiting.pop()
            self._making = name
            self._rules[name] = self._rule(name, schema)
        self._open.check()
        return self._rules

    def value(self, schema: Any) -> str:
        """An expression for any value of a schema."""
        kinds = {self._name(kind): kind for kind in self._reader.plain(schema)}
        names = list(kinds)
        if not names:
            raise GrammarError("allows no value at all in one place")
        self._open.value(self._making, list(kinds.values()), names)
        return names[0] if len(names) == 1 else f"({' | '.join(names)})"

    # ── rules ────────────────────────────────────────────────────────────────────────────────────

    def _name(self, schema: Json) -> str:
        """The rule for a plain schema; made later where it is new."""
        key = json.dumps(schema, sort_keys=True)
        if key not in self._names:
            self._names[key] = name = f"{self._prefix}r{len(self._names)}"
            self._waiting.append((name, schema))
        return self._names[key]

    def _rule(self, name: str, schema: Json) -> str:
        if "const" in schema or "enum" in schema:
            return self._constants(schema)
        match schema["type"]:
            case "object":
                return self._object(name, schema)
            case "array":
                return self._array(name, schema)
            case "string":
                return self._string(schema)
            case "integer" | "number":
                return self._number(schema)
            case None:
                return "value"
            case kind:
                return kind

    def _constants(self, schema: Json) -> str:
        values = [schema["const"]] if "const" in schema else some(schema["enum"], "enum")
        kinds = schema.get("type")
        if isinstance(kinds, str):
            values = [value for value in values if _is(value, kinds)]
        if not values:
            raise GrammarError("allows no value at all in one place")
        self._open.width(self._making, len(values))
        return " | ".join(dict.fromkeys(map(gbnf.constant, values)))

    def _object(self, name: str, schema: Json) -> str:
        properties: Json = dict(_dict(schema.get("properties", {}), "properties"))
        more = schema.get("additionalProperties", "properties" not in schema)
        required = cast(list[str], some(schema.get("required", []), "required", empty=True))
        for key in required:
            properties.setdefault(str(key), more)
        self._bound(schema, "minProperties", "maxProperties", len(required), len(properties))
        if not properties:
            if more is False:
                return '"{" "}"'
            member = f'string ":" sp {self.value(more)}'
            return f'"{{" sp ({member} ("," sp {member})*)? "}}"'
        return f'"{{" sp {self._members(name, properties, set(required))} "}}"'

    def _members(self, name: str, properties: Json, required: set[str]) -> str:
        """In the schema's order; rule `-a` goes on after a member, `-b` before the first one."""
        self._open.width(name, len(properties.keys() - required) + 1)
        after = before = ""
        for index, (key, schema) in reversed(list(enumerate(properties.items()))):
            member = (
                f"{gbnf.literal(json.dumps(key, ensure_ascii=False) + ':')} sp {self.value(schema)}"
            )
            one = f"{name}-{index}"
            self._rules[one] = member
            if key in required:
                before, tail = f"{one} {after}", f'"," sp {one} {after}'
            else:
                before = f"({one} {after} | {before})" if before else f"({one} {after})?"
                tail = f'("," sp {one})? {after}'
            self._rules[f"{one}-a"], after = tail, f"{one}-a"
            if before.startswith("("):
                self._rules[f"{one}-b"], before = before, f"{one}-b"
        return before

    def _array(self, name: str, schema: Json) -> str:
        first = some(schema.get("prefixItems", []), "prefixItems", empty=True)
        least, most = self._counts(schema, "minItems", "maxItems")
        places = [self.value(item) for item in (first if most is None else first[:most])]
        items = schema.get("items", True)
        if items is False or (most is not None and most <= len(places)):
            return f'"[" sp {self._row(places)} "]"'
        if first and least <= len(first):  # more would be allowed, too
            return f'"[" sp {self._row(places)} "]"'
        if most == 0:
            return '"[" sp "]"'
        item = self.value(items)
        if first:
            places += [item] * (least - len(first))
            return f'"[" sp {self._row(places)} "]"'
        self._rules[f"{name}-n"] = f'"," sp {item}'
        upto = "" if most is None else str(most - 1)
        self._rules[f"{name}-l"] = f"{item} {name}-n{{{max(least - 1, 0)},{upto}}}"
        return f'"[" sp {name}-l{"" if least else "?"} "]"'

    @staticmethod
    def _row(places: list[str]) -> str:
        return ' "," sp '.join(places)

    def _string(self, schema: Json) -> str:
        if (form := schema.get("format")) in gbnf.FORMATS and "maxLength" not in schema:
            return gbnf.quoted(gbnf.FORMATS[cast(str, form)])
        least, most = self._counts(schema, "minLength", "maxLength")
        if not least and most is None:
            return "string"
        return rf'"\"" char{{{least},{"" if most is None else most}}} "\""'

    def _counts(self, schema: Json, least: str, most: str) -> tuple[int, int | None]:
        """The bounds of a length, tightened to what can be counted out."""
        low, high = _number(schema.get(least)), _number(schema.get(most))
        low = 0 if low is None else max(0, math.ceil(low))
        high = None if high is None else min(math.floor(high), max(low, REPEATS))
        self._repeats += high or low
        if low > REPEATS or self._repeats > REPEATS_IN_ALL:
            raise GrammarError(f"counts further than can be held to: {least} or {most}")
        if high is not None and high < low:
            raise GrammarError(f"allows no value at all: {least} is above {most}")
        return low, high

    def _bound(self, schema: Json, least: str, most: str, low: int, high: int) -> None:
        """Numbers of members are only kept where they are kept anyhow."""
        minimum, maximum = _number(schema.get(least)), _number(schema.get(most))
        kept = (minimum or 0) <= low and (maximum is None or maximum >= max(high, 1))
        if self._strict and not kept:
            raise GrammarError(f"uses {least} or {most}, which cannot be enforced here")

    def _number(self, schema: Json) -> str:
        low, above = _end(schema, "minimum", "exclusiveMinimum", 1)
        high, below = _end(schema, "maximum", "exclusiveMaximum", -1)
        whole = schema["type"] == "integer"
        if low is None and high is None:
            return "integer" if whole else "number"
        least = None if low is None else math.floor(low) + 1 if whole and above else math.ceil(low)
        most = (
            None if high is None else math.ceil(high) - 1 if whole and below else math.floor(high)
        )
        if any(end is not None and abs(end) >= 10**30 for end in (least, most)):
            raise GrammarError("bounds a number too far away")
        if whole:
            expression = gbnf.integers(least, most)
        else:  # an end between two whole numbers is moved inwards, and then it is allowed
            expression = gbnf.numbers(
                least, most, above=above and least == low, below=below and most == high
            )
        if expression:
            return expression
        if self._strict or whole:
            raise GrammarError("bounds a number so that none can be written here")
        return "number"


def _number(value: object) -> float | int | None:
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    raise GrammarError(f"has {value!r} where a number belongs")


def _end(schema: Json, closed: str, opened: str, side: int) -> tuple[float | int | None, bool]:
    """The tighter of two bounds and whether it is itself left out; `side` 1 for the lower end."""
    kept, left_out = _number(schema.get(closed)), _number(schema.get(opened))
    if left_out is not None and (kept is None or side * left_out >= side * kept):
        return left_out, True
    return kept, False


def _dict(value: object, key: str) -> Json:
    if isinstance(value, dict):
        return cast(Json, value)
    raise GrammarError(f"has no object in {key}")


@contextmanager
def _guarded() -> Generator[None]:
    """Bound what is done with a schema; whatever it makes Python raise is the schema's fault."""
    try:
        with bounded(SECONDS, MEMORY):
            yield
    except Overrun as error:
        raise GrammarError(str(error)) from None
    except RecursionError:
        raise GrammarError("is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise GrammarError(f"is not valid JSON: {error}") from error
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise GrammarError(f"cannot be read: {error}") from error


def _is(value: object, kind: str) -> bool:
    """Whether a JSON value is of a type."""
    if kind in ("integer", "number"):
        numeric = isinstance(value, int | float) and not isinstance(value, bool)
        return numeric and (kind == "number" or value == int(cast(float, value)))
    kinds = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
    return kind in kinds and isinstance(value, kinds[kind])
