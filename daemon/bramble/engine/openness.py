"""How many ways to go on a grammar leaves open at once: a small schema could keep the engine busy for minutes.

llama.cpp follows all ways for every token and compares each with each, in one call that nothing can interrupt.
"""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any, cast

from bramble.engine.schema import GrammarError, Json

MOST = 2000
"""Ways open at once: about 0.25 s a token with 49,000 tokens on a PC's core (measured: 0.12 ms a way)."""


class Openness:
    """Collects what the rules of a schema leave open. Alternatives that begin alike stay open into what they hold."""

    def __init__(self) -> None:
        self._widths: Counter[str] = Counter()
        self._inner: dict[str, list[tuple[str, int]]] = {}

    def width(self, rule: str, ways: int) -> None:
        """A rule leaves so many ways open in one place."""
        self._widths[rule] = max(self._widths[rule], ways)

    def value(self, rule: str, kinds: Sequence[Json], names: Sequence[str]) -> None:
        """A rule holds a value of one of these kinds, whose rules have these names."""
        self.width(rule, len(names))
        alike = _alike(kinds)
        self._inner.setdefault(rule, []).extend((name, alike) for name in names)

    def check(self) -> None:
        """Raises GrammarError where too much is open."""
        for rule, inner in self._inner.items():
            if any(alike > 1 and rule in self._reach(name) for name, alike in inner):
                raise GrammarError("repeats itself within alternatives that begin alike")
        open_ways = dict.fromkeys({*self._inner, *self._widths}, 1)
        waiting = list(self._inner)
        while waiting:
            rule = waiting.pop()
            if open_ways[rule] * max(self._widths[rule], 1) > MOST:
                raise GrammarError(f"leaves more than {MOST} ways open at once")
            for name, alike in self._inner.get(rule, ()):
                if open_ways[rule] * alike > open_ways.setdefault(name, 1):
                    open_ways[name] = open_ways[rule] * alike
                    waiting.append(name)
        for rule, ways in open_ways.items():
            if ways * max(self._widths[rule], 1) > MOST:
                raise GrammarError(f"leaves more than {MOST} ways open at once")

    def _reach(self, start: str) -> set[str]:
        """All rules that a rule leads to, itself included."""
        seen, waiting = {start}, [start]
        while waiting:
            for name, _ in self._inner.get(waiting.pop(), ()):
                if name not in seen:
                    seen.add(name)
                    waiting.append(name)
        return seen


def _alike(kinds: Sequence[Json]) -> int:
    """The most alternatives that begin alike: objects by their first member, lists by their bracket."""
    lists = sum(kind.get("type") in ("array", None) and not _is_constant(kind) for kind in kinds)
    objects = [
        kind for kind in kinds if kind.get("type") in ("object", None) and not _is_constant(kind)
    ]
    firsts = [_first(kind) for kind in objects]
    if None in firsts:
        return max(1, lists, len(objects))
    keys = Counter(first[0] for first in firsts if first)
    told = Counter(first for first in firsts if first and first[1])
    untold = Counter(first[0] for first in firsts if first and not first[1])
    most = max(
        (
            untold[key] + max((n for first, n in told.items() if first[0] == key), default=0)
            for key in keys
        ),
        default=1,
    )
    return max(1, lists, most)


def _is_constant(kind: Json) -> bool:
    return "const" in kind or "enum" in kind


def _first(kind: Json) -> tuple[str, str] | None:
    """The name of an object's first member and its only value, empty where it has several; None if any may be first."""
    properties: Any = kind.get("properties")
    if not isinstance(properties, dict) or not properties:
        return None
    key, schema = next(iter(cast(dict[str, Any], properties).items()))
    if key not in kind.get("required", []):
        return None
    if isinstance(schema, dict) and "const" in schema:
        return key, json.dumps(cast(Json, schema)["const"])
    return key, ""
