"""Where settings are written: a YAML file and `--set`. Found with its place; nothing is judged here."""

import os
from collections.abc import Container, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode

from bramble.config.values import is_empty, shown

_TEXT = "tag:yaml.org,2002:str"


class Entry(NamedTuple):
    """A setting as somebody wrote it: `file` None means on the command line."""

    name: str
    node: Node
    file: Path | None = None
    line: int = 0

    def place(self, node: Node) -> str:
        """What a mistake in `node`, this entry's value or a part of it, is introduced with."""
        if self.file is None:
            return f"--set {self.name}"
        line = self.line if node is self.node else _line(node)
        return f"{self.file}:{line}: {self.name}"


def from_file(file: Path, sections: Container[str], mistakes: list[str]) -> Iterator[Entry]:
    """Every setting in a file, and into `mistakes` a line for whatever is no setting. An empty file has neither."""
    root = _compose(file, mistakes)
    if root is None or is_empty(root):
        return
    if not isinstance(root, MappingNode):
        mistakes.append(
            f"{file}:{_line(root)}: must hold settings like `log_level: info`, not {shown(root)}"
        )
        return
    yield from _settings(root, file, "", sections, mistakes)


def _settings(
    group: MappingNode, file: Path, prefix: str, sections: Container[str], mistakes: list[str]
) -> Iterator[Entry]:
    """Every setting in a group and in the groups inside it."""
    for entry in _pairs(group, file, prefix, mistakes):
        if entry.name not in sections:
            yield entry
        elif isinstance(entry.node, MappingNode):
            yield from _settings(entry.node, file, f"{entry.name}.", sections, mistakes)
        elif not is_empty(entry.node):
            mistakes.append(
                f"{entry.place(entry.node)}: must hold settings, not {shown(entry.node)}"
            )


def from_overrides(overrides: Sequence[str], mistakes: list[str]) -> Iterator[Entry]:
    """Every `name=value`. The value is YAML, or plain text where it is none (like the host *)."""
    for override in overrides:
        name, equals, value = override.partition("=")
        if name and equals:
            yield Entry(name, _value(value))
        else:
            mistakes.append(f"--set {override}: must look like server.port=8080")


def _value(text: str) -> Node:
    try:
        node = yaml.SafeLoader(text).get_single_node()
    except (yaml.YAMLError, RecursionError):
        node = None
    return node or ScalarNode(_TEXT, text)


def _compose(file: Path, mistakes: list[str]) -> Node | None:
    try:
        return yaml.SafeLoader(file.read_text(encoding="utf-8")).get_single_node()
    except OSError as error:
        mistakes.append(f"{file}: cannot be read: {os.strerror(error.errno or 0)}")
    except UnicodeDecodeError:
        mistakes.append(f"{file}: is no text in UTF-8")
    except RecursionError:
        mistakes.append(f"{file}: is nested too deeply")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f":{mark.line + 1}" if mark else ""
        mistakes.append(f"{file}{line}: is no YAML: {error.problem}")
    except yaml.YAMLError as error:
        mistakes.append(f"{file}: is no YAML: {' '.join(str(error).split())}")
    return None


def _pairs(group: MappingNode, file: Path, prefix: str, mistakes: list[str]) -> Iterator[Entry]:
    first: dict[str, int] = {}
    for key, node in group.value:
        line = _line(key)
        if not isinstance(key, ScalarNode):
            mistakes.append(f"{file}:{line}: a setting's name is wanted, not {shown(key)}")
            continue
        name = f"{prefix}{key.value}"
        if name in first:
            mistakes.append(
                f"{file}:{line}: {name}: stands here again, first in line {first[name]}"
            )
            continue
        first[name] = line
        yield Entry(name, node, file, line)


def _line(node: Node) -> int:
    return node.start_mark.line + 1
