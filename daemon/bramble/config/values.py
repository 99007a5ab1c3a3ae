"""One YAML node → one value of the type its setting declares, or what is wrong in words. It knows no setting by name.

The declared type decides, not YAML's guess: a host named `no` stays text, and a quoted "8080" is no number.
"""

import math
import re
import types
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from msgspec import Meta, Struct
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from bramble.config.engine import Endpoint
from bramble.config.server import Network

HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_BOOL, _INT, _FLOAT, _NULL = (
    f"tag:yaml.org,2002:{name}" for name in ("bool", "int", "float", "null")
)


class Wrong(Exception):
    """A value that its setting cannot take: the nodes at fault (several in a list), each with what is wrong there."""

    def __init__(self, *mistakes: tuple[Node, str]) -> None:
        super().__init__(*mistakes)
        self.mistakes = mistakes


def _text(node: ScalarNode) -> str:
    text: str = node.value
    text.encode()  # half a surrogate pair is no text: it could be neither stored nor sent
    return text


def _path(node: ScalarNode) -> Path:
    if "\0" in node.value:
        raise ValueError("no file system takes a NUL in a name")
    return Path(_text(node)).expanduser()


def _bool(node: ScalarNode) -> bool:
    if node.tag != _BOOL:
        raise ValueError("neither yes nor no in YAML's eyes")
    return node.value.lower() in ("true", "yes", "on")


def _int(node: ScalarNode) -> int:
    if node.tag != _INT:
        raise ValueError("no whole number in YAML's eyes")
    return int(node.value)  # decimal only: YAML 1.1 would read 010 as 8 and 1:20 as 80


def _float(node: ScalarNode) -> float:
    if node.tag not in (_INT, _FLOAT):
        raise ValueError("no number in YAML's eyes")
    number = float(node.value)
    if not math.isfinite(number):
        raise ValueError("an endless number is no amount of anything")
    return number


def _network(node: ScalarNode) -> Network:
    return ip_network(node.value, strict=False)


def _endpoint(node: ScalarNode) -> Endpoint:
    host, _, port = node.value.rpartition(":")
    if not HOST.fullmatch(host) or not (port.isdecimal() and 0 < int(port) < 65_536):
        raise ValueError("no machine and port")
    if host.replace(".", "").isdecimal() and not ip_address(host).is_private:
        raise ValueError("what goes there is not encrypted")
    return Endpoint(node.value)


class _Plain(NamedTuple):
    """A type that is written as one scalar: its name in words and what reads it."""

    noun: str
    plural: str
    read: Callable[[ScalarNode], Any]


_PLAIN: dict[Any, _Plain] = {
    str: _Plain("text", "texts", _text),
    bool: _Plain("true or false", "true or false", _bool),
    int: _Plain("a whole number", "whole numbers", _int),
    float: _Plain("a number", "numbers", _float),
    Path: _Plain("a path", "paths", _path),
    Endpoint: _Plain(
        "an address of this network like 192.168.1.12:50052",
        "addresses of this network like 192.168.1.12:50052",
        _endpoint,
    ),
    Network: _Plain("a network like 192.168.0.0/16", "networks like 192.168.0.0/16", _network),
}


def wanted(kind: Any, meta: Meta | None = None) -> str:
    """What a type takes, in words: `a whole number from 1 to 16`."""
    if kind in _PLAIN:
        span = "" if meta is None or meta.ge is None else f" from {meta.ge} to {meta.le}"
        return _PLAIN[kind].noun + span
    if _is_struct(kind):
        return "{" + ", ".join(f"{name}: …" for name in kind.__struct_fields__) + "}"
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return wanted(*arguments)
    if origin is tuple:
        return f"a list of {_PLAIN[arguments[0]].plural}"
    words = arguments if origin is Literal else tuple(map(wanted, arguments))
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def shown(node: Node) -> str:
    """A node as a mistake quotes it."""
    if not isinstance(node, ScalarNode):
        return "a list" if isinstance(node, SequenceNode) else "a group of settings"
    text: str = node.value if len(node.value) <= 40 else f"{node.value[:39]}…"
    return text if text and text.isprintable() and not node.style else repr(text)


def is_empty(node: Node) -> bool:
    """Whether nothing (or YAML's `null`, the same to it) stands where a value should be."""
    return isinstance(node, ScalarNode) and node.tag == _NULL


def take(node: Node, kind: Any) -> Any:
    """Read `node` as `kind`: a type of `_PLAIN`, a Literal, a union, a tuple, any of them Annotated with bounds.

    Raises Wrong.
    """
    if is_empty(node):
        raise Wrong((node, f"has no value; it takes {wanted(kind)}"))
    base = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    if get_origin(base) is tuple and isinstance(node, SequenceNode):
        return _take_each(node, get_args(base)[0])
    try:
        return _read(node, kind)
    except (ValueError, RuntimeError):  # the last: nobody's home to expand ~ to
        raise Wrong((node, f"must be {wanted(kind)}, not {shown(node)}")) from None


def _take_each(node: SequenceNode, kind: Any) -> tuple[Any, ...]:
    values: list[Any] = []
    mistakes: list[tuple[Node, str]] = []
    for child in node.value:
        try:
            values.append(take(child, kind))
        except Wrong as wrong:
            mistakes += wrong.mistakes
    if mistakes:
        raise Wrong(*mistakes)
    return tuple(values)


def _read(node: Node, kind: Any) -> Any:
    """Read anything but a list; ValueError and its like where `node` is not one."""
    if isinstance(node, MappingNode):
        return _read_struct(node, kind)
    if not isinstance(node, ScalarNode):
        raise ValueError("one value is wanted")
    if kind in _PLAIN:
        return _PLAIN[kind].read(node)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _bounded(_read(node, arguments[0]), arguments[1])
    if origin is Literal and node.value in arguments:
        return node.value
    if origin in (Union, types.UnionType):
        return _read_any(node, arguments)
    raise ValueError("nothing that is wanted")


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)


def _read_struct(node: MappingNode, kind: Any) -> Any:
    """A group written as one value, like `{decode: 2, prefill: 4}`; `kind` or one of its choices takes it."""
    for choice in (kind, *get_args(kind)):
        if _is_struct(choice):
            fields = get_type_hints(choice, include_extras=True)
            pairs = [(key.value, value) for key, value in node.value]
            if len(dict(pairs)) == len(pairs) and not dict(pairs).keys() - fields.keys():
                return choice(**{name: _read(value, fields[name]) for name, value in pairs})
            break
    for choice in get_args(kind):
        if get_origin(choice) in (Union, types.UnionType):
            return _read_struct(node, choice)
    raise ValueError("no such group is wanted")


def _read_any(node: ScalarNode, kinds: tuple[Any, ...]) -> Any:
    for kind in kinds[:-1]:
        try:
            return _read(node, kind)
        except ValueError:
            continue
    return _read(node, kinds[-1])


def _bounded(value: Any, meta: Meta) -> Any:
    if meta.ge is not None and meta.le is not None and not meta.ge <= value <= meta.le:
        raise ValueError("out of range")
    if meta.min_length is not None and len(value) < meta.min_length:
        raise ValueError("too short")
    return value
