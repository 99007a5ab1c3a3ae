"""Reads calls of functions out of what a model writes. What may become one is held back, the rest is text at once.

Known forms: Hermes' and Qwen's `<tool_call>{…}</tool_call>`, and bare JSON at the beginning, as Llama 3 and models
without tools of their own write it, maybe fenced or after a marker. Only tools that were offered can be called.
"""

import json
import re
import secrets
from collections.abc import Iterator
from typing import Any, NoReturn, cast

import msgspec

OPEN, CLOSE = "<tool_call>", "</tool_call>"
MARKERS = ("<|python_tag|>", "[TOOL_CALLS]", "```json", "```")
BETWEEN = " \t\r\n;,`"
KEYS = {"name", "function", "type", "id", "arguments", "parameters", "tool_calls", "tool_call"}
"""What the JSON of a call may begin with."""
ESCAPED = re.compile(r"\\.")
FIRST_KEY = re.compile(r'\[?\s*\{\s*"([^"]*)"')
BEGINNING = re.compile(r'\[?\s*(\{\s*("[^"]*)?)?')


class Call(msgspec.Struct, frozen=True):
    """One call; `arguments` is JSON text."""

    name: str
    arguments: str
    id: str = msgspec.field(default_factory=lambda: f"call_{secrets.token_hex(12)}")


class CallReader:
    """One answer. `names` are the tools that were offered; without `several` only the first call counts."""

    def __init__(self, names: frozenset[str], *, several: bool) -> None:
        self._names, self._several = names, several
        self._held = ""
        self._fresh = True  # nothing but calls so far
        self._after = False  # right behind a call
        self.calls = 0

    def feed(self, text: str) -> list[str | Call]:
        """Take the next characters; return what is certain now."""
        self._held += text
        closes = "}" in text or "]" in text or ">" in text
        return [part for part in self._parts(final=False, closes=closes) if part]

    def finish(self) -> list[str | Call]:
        """The answer is over: what was held back is a call or text."""
        return [part for part in self._parts(final=True, closes=True) if part]

    def _parts(self, *, final: bool, closes: bool) -> Iterator[str | Call]:
        while self._held:
            if self._after and not self._pass_over(final):
                return
            before = len(self._held)
            found = self._bare(final, closes) if self._fresh else None
            yield from self._tagged(final, closes) if found is None else found
            if len(self._held) == before:
                return

    def _pass_over(self, final: bool) -> bool:
        """Drop what stands behind a call. False while more of that may come."""
        self._held = self._held.lstrip(BETWEEN)
        if CLOSE.startswith(self._held[: len(CLOSE)]):
            if len(self._held) < len(CLOSE) and not final:
                return False
            self._held = self._held[len(CLOSE) :]
            return bool(self._held) and self._pass_over(final)
        self._after = False
        return True

    def _bare(self, final: bool, closes: bool) -> list[str | Call] | None:
        """JSON at the beginning; None where it is text or tagged, an empty list while that is open."""
        start = self._held.lstrip()
        marker = next((each for each in MARKERS if start.startswith(each)), "")
        body = start.removeprefix(marker).lstrip()
        openers = (*MARKERS, OPEN)
        if not body or any(each.startswith(start) and each != start for each in openers):
            return None if final else []
        if body[0] in "{[":
            value, rest = _json(body) if closes else (None, "")
            if calls := self._calls(value):
                self._held, self._after = rest, True
                return list(self._counted(calls))
            if value is None and not final and self._may_be_call(body):
                return []
        self._fresh = body.startswith(OPEN)
        return None

    def _tagged(self, final: bool, closes: bool) -> Iterator[str | Call]:
        """Text up to the next call in tags, and that call once it is whole."""
        at = self._held.find(OPEN)
        open_from = len(self._held) - (0 if final else _overlap(self._held)) if at < 0 else at
        text = self._held[:open_from]
        if at >= 0 or not final:
            text = text.rstrip()  # blanks wait: before a call they are dropped
        yield "" if self.calls and not text.strip() else text
        self._held = self._held[len(text) :]
        if at < 0:
            return
        at -= len(text)
        value, rest = _json(self._held[at + len(OPEN) :].lstrip()) if closes else (None, "")
        if calls := self._calls(value):
            self._held, self._after = rest, True
            yield from self._counted(calls)
        elif end := _closed(self._held[at:]) or (final and len(self._held) - at):  # no call
            text, self._held = self._held[: at + end], self._held[at + end :]
            self._fresh = False
            yield text

    def _counted(self, calls: list[Call]) -> Iterator[Call]:
        for call in calls:
            self.calls += 1
            if self._several or self.calls == 1:
                yield call

    def _may_be_call(self, body: str) -> bool:
        if key := FIRST_KEY.match(body):
            return key[1] in KEYS
        return BEGINNING.fullmatch(body) is not None

    def _calls(self, value: Any) -> list[Call]:
        """The calls that a JSON value stands for; none unless all of it is calls."""
        if isinstance(value, dict):
            value = cast(dict[str, Any], value).get("tool_calls") or cast(Any, value)
        several = cast(list[Any], value if isinstance(value, list) else [value])
        calls = [self._call(each) for each in several]
        return [call for call in calls if call] if all(calls) else []

    def _call(self, value: Any) -> Call | None:
        if not isinstance(value, dict):
            return None
        body = cast(dict[str, Any], value)
        if isinstance(body.get("function"), dict):
            body = cast(dict[str, Any], body["function"])
        name = body.get("name")
        arguments = body.get("arguments", body.get("parameters", {}))
        if isinstance(arguments, str):
            arguments, rest = _json(arguments)
            arguments = None if rest else arguments
        if name not in self._names or not isinstance(arguments, dict):
            return None
        return Call(name, json.dumps(arguments, ensure_ascii=False))


def _json(text: str) -> tuple[Any, str]:
    """The JSON value at the beginning of a text and what comes after it; None where there is none yet."""
    try:
        value, end = _decoder.raw_decode(text)
    except (ValueError, RecursionError):
        return None, text
    return value, text[end:]


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_decoder = json.JSONDecoder(parse_constant=_no_number)


def _closed(text: str) -> int:
    """Where the first closing tag ends that stands in no JSON string, else 0."""
    at = text.find(CLOSE)
    while at >= 0 and ESCAPED.sub("", text[:at]).count('"') % 2:
        at = text.find(CLOSE, at + 1)
    return at + len(CLOSE) if at >= 0 else 0


def _overlap(text: str) -> int:
    """Length of the longest end of a text that begins a tag."""
    longest = min(len(OPEN) - 1, len(text))
    return next((size for size in range(longest, 0, -1) if OPEN.startswith(text[-size:])), 0)
