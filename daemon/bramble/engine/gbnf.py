"""Pieces of llama.cpp's grammar language: literals, strings, ranges of numbers, and rules for any JSON.

White space is at most one blank: a small model at a high temperature would go on in blanks for ever.
"""

import json

FAR = 10**15 - 1
"""Largest number of a range without an end: a double still holds it exactly."""
FRACTION = '("." [0-9]{1,12})?'

COMMON = {
    "sp": '" "?',
    # No \u escapes: half a surrogate pair would be no text. No characters that JSON wants escaped.
    "char": r'[ !#-\[\]-\uD7FF\uE000-\U0010FFFF] | "\\" ["\\/bfnrt]',
    "string": r'"\"" char* "\""',
    "integer": '"-"? ("0" | [1-9] [0-9]{0,14})',
    "number": f"integer {FRACTION} ([eE] [-+]? [0-9]{{1,2}})?",
    "boolean": '"true" | "false"',
    "null": '"null"',
    "value": "object | array | string | number | boolean | null",
    "object": '"{" sp (member ("," sp member)*)? "}"',
    "member": 'string ":" sp value',
    "array": '"[" sp (value ("," sp value)*)? "]"',
}

_MONTHS = (
    '("0" [13578] | "1" [02]) "-" ("0" [1-9] | [12] [0-9] | "3" [01])'
    ' | ("0" [469] | "11") "-" ("0" [1-9] | [12] [0-9] | "30")'
    ' | "02-" ("0" [1-9] | "1" [0-9] | "2" [0-8])'
)
_DATE = f'[12] [0-9]{{3}} "-" ({_MONTHS})'
_CLOCK = '([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9]'
_TIME = f'{_CLOCK} ":" [0-5] [0-9] ("." [0-9]{{3}})? ("Z" | [+-] {_CLOCK})'
_BYTE = '("25" [0-5] | "2" [0-4] [0-9] | "1" [0-9] [0-9] | [1-9]? [0-9])'
_HEX = "[0-9a-f]"
FORMATS = {
    "date": _DATE,
    "time": _TIME,
    "date-time": f'{_DATE} "T" {_TIME}',
    "uuid": ' "-" '.join(f"{_HEX}{{{size}}}" for size in (8, 4, 4, 4, 12)),
    "ipv4": ' "." '.join([_BYTE] * 4),
    "email": '[a-z0-9] [a-z0-9._+]{0,30} [a-z0-9] "@" ([a-z0-9] [a-z0-9]{0,20} "."){1,3} [a-z]{2,8}',
}
"""What stands between the quotes of a string of this format. Other formats only describe, as JSON Schema has it."""


def literal(text: str) -> str:
    """This text and no other."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped.replace("\n", "\\n").replace("\r", "\\r") + '"'


def constant(value: object) -> str:
    """This JSON value and no other."""
    return literal(json.dumps(value, ensure_ascii=False))


def quoted(expression: str) -> str:
    """A JSON string whose inside is this."""
    return rf'"\"" ({expression}) "\""'


def integers(low: int | None, high: int | None) -> str:
    """The whole numbers of a range, None where it has no end; empty where there are none."""
    parts: list[str] = []
    if low is None or low < 0:
        least = 1 if high is None else max(1, -high)
        if expression := _whole(least, None if low is None else -low):
            parts.append(f'"-" ({expression})')
    if (high is None or high >= 0) and (expression := _whole(max(0, low or 0), high)):
        parts.append(expression)
    return " | ".join(parts)


def numbers(low: int | None, high: int | None, *, above: bool = False, below: bool = False) -> str:
    """The numbers between two whole ones; `above` and `below` leave out the ends themselves."""
    parts: list[str] = []
    if low is None or low < 0:
        least, opened = (0, False) if high is None or high > 0 else (-high, below)
        most = None if low is None else -low
        if expression := _decimal(least, most, opened=opened, closed=above):
            parts.append(f'"-" ({expression})')
    if high is None or high >= 0:
        least, opened = (0, False) if low is None or low < 0 else (low, above)
        if expression := _decimal(least, high, opened=opened, closed=below):
            parts.append(expression)
    return " | ".join(parts)


def _whole(least: int, most: int | None) -> str:
    end = max(FAR, 10 * least) if most is None else most
    alternatives: list[str] = []
    while least <= end:
        longest = 10 ** len(str(least)) - 1
        alternatives += _span(str(least), str(min(longest, end)))
        least = longest + 1
    return " | ".join(alternatives)


def _decimal(least: int, most: int | None, *, opened: bool, closed: bool) -> str:
    """Magnitudes from `least` to `most` with a fraction; an opened end keeps what lies just beyond it."""
    parts: list[str] = []
    if most is None or least < most:
        inner = _whole(least + opened, None if most is None else most - 1)
        if inner:
            parts.append(f"({inner}) {FRACTION}")
        if opened:
            parts.append(f'"{least}." [0-9]{{0,8}} [1-9]')
    if most is not None and least <= most and not closed and not (opened and least == most):
        parts.append(f'"{most}" ("." "0"{{1,2}})?')
    return " | ".join(parts)


def _span(low: str, high: str) -> list[str]:
    """Alternatives for all strings of digits from `low` to `high`, both of the same length."""
    if low == high:
        return [f'"{low}"']
    rest = len(low) - 1
    if not rest:
        return [f"[{low}-{high}]"]
    first, last = int(low[0]), int(high[0])
    if first == last:
        return [f'"{first}" ({" | ".join(_span(low[1:], high[1:]))})']
    alternatives: list[str] = []
    if low[1:] != "0" * rest:
        alternatives.append(f'"{first}" ({" | ".join(_span(low[1:], "9" * rest))})')
        first += 1
    if high[1:] != "9" * rest:
        alternatives.append(f'"{last}" ({" | ".join(_span("0" * rest, high[1:]))})')
        last -= 1
    if first <= last:
        alternatives.append(f"[{first}-{last}] [0-9]{{{rest}}}")
    return alternatives
