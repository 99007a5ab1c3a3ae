"""bramble.yaml as somebody wrote it, each value with its place. No section suffers from another's mistake."""

import codecs
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

LARGEST = 64 << 10
"""Bytes of a file that somebody may have written; what is longer is something else."""
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|$)")
_NULL = "tag:yaml.org,2002:null"


class Mistake(Exception):
    """What is wrong in a line of bramble.yaml (0: in all of it), for whoever wrote it."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(line, text)
        self.line, self.text = line, text


@dataclass(frozen=True)
class Scalar:
    """A value without parts: `start` and `end` are where it stands in the text, with its quotes."""

    text: str
    line: int
    start: int
    end: int
    quoted: bool
    remark: bool
    """Whether a `#` follows in the same line: what a password without quotes may have been meant to go on with."""


@dataclass(frozen=True)
class Group:
    """Values with names."""

    line: int
    parts: Mapping[str, "Tree"]


@dataclass(frozen=True)
class Items:
    """Values in a row."""

    line: int
    parts: Sequence["Tree"]


Tree: TypeAlias = Scalar | Group | Items


@dataclass
class Document:
    """The sections that can be read, and what is wrong with the others."""

    mark: bytes = b""
    codec: str = "utf-8"
    text: str = ""
    sections: dict[str, Tree] = field(default_factory=dict[str, Tree])
    mistakes: list[Mistake] = field(default_factory=list[Mistake])

    def without(self, secrets: Iterable[Scalar]) -> bytes:
        """The file with these values emptied, byte for byte as long as before: it can be written over itself."""
        text, unit = self.text, len(" ".encode(self.codec))
        for each in sorted(secrets, key=lambda secret: -secret.start):
            text = (
                text[: each.start]
                + _blank(text[each.start : each.end], self.codec, unit)
                + text[each.end :]
            )
        return self.mark + text.encode(self.codec)


def _blank(value: str, codec: str, unit: int) -> str:
    kept = "".join(
        letter if letter in "\r\n" else " " * (len(letter.encode(codec)) // unit)
        for letter in value
    )
    return f"''{kept[2:]}" if kept[:2] == "  " else f"~{kept[1:]}"


def read(data: bytes) -> Document:
    """Read a file's bytes. What cannot be read at all is a document with one mistake."""
    document = Document()
    try:
        document.mark, document.codec, document.text = _decoded(data)
    except Mistake as mistake:
        document.mistakes.append(mistake)
        return document
    for start, line, chunk in _chunks(document.text):
        try:
            _add(document, _composed(chunk, line), start, line)
        except Mistake as mistake:
            document.mistakes.append(mistake)
    return document


def _decoded(data: bytes) -> tuple[bytes, str, str]:
    if len(data) > LARGEST:
        raise Mistake(0, f"it has {len(data)} bytes; at most {LARGEST} are read")
    mark = next((each for each in _MARKS if data.startswith(each)), b"")
    codec = _MARKS.get(mark, "utf-8")
    try:
        return mark, codec, data[len(mark) :].decode(codec)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise Mistake(
            line, "this is no UTF-8; in the editor choose Save as, and the encoding UTF-8"
        ) from None


def _chunks(text: str) -> Iterator[tuple[int, int, str]]:
    """Pieces that each begin with a line that is not indented: where, in which line, and the text."""
    begin = first = 0
    for number, line in enumerate(_LINE.finditer(text)):
        starts = line[0][:1] not in (*" \t#\r\n-]}", "") or line[0].startswith("---")
        if starts and line.start() > begin:
            yield begin, first, text[begin : line.start()]
            begin, first = line.start(), number
    yield begin, first, text[begin:]


def _composed(chunk: str, line: int) -> Node | None:
    try:
        return yaml.SafeLoader(chunk).get_single_node()
    except yaml.MarkedYAMLError as error:
        problem = error.problem or ""
        # A quote that is never closed is to be looked for where it opens.
        mark = error.context_mark if "end of stream" in problem else error.problem_mark
        raise Mistake(line + (mark.line if mark else 0) + 1, _reason(problem)) from None
    except (yaml.YAMLError, RecursionError) as error:
        raise Mistake(
            line + 1, f"this cannot be read: {' '.join(str(error).split())[:200]}"
        ) from None


def _reason(problem: str) -> str:
    if r"'\t'" in problem:
        return "there is a tab; indent with spaces"
    return f"this cannot be read ({problem}); it should look like `name: 'value'`, with a space behind the colon"


def _add(document: Document, node: Node | None, start: int, line: int) -> None:
    if node is None or (isinstance(node, ScalarNode) and not node.value and not node.style):
        return  # comments, or a mark like ---
    if not isinstance(node, MappingNode):
        wrong = "a name with a colon behind it is missing here"
        raise Mistake(line + node.start_mark.line + 1, wrong)
    document.sections.update(_Planter(document.text, start, line).parts(node, document.sections))


class _Planter:
    """Makes trees of the nodes of a chunk that begins at `start`, behind `line` lines."""

    def __init__(self, text: str, start: int, line: int) -> None:
        self._text, self._start, self._line = text, start, line
        self._seen: set[int] = set()

    def parts(self, node: MappingNode, before: Mapping[str, Tree]) -> dict[str, Tree]:
        """The values by name. Raises Mistake for a name that is here, or was `before`."""
        found: dict[str, Tree] = {}
        for key, value in node.value:
            line = self._line + key.start_mark.line + 1
            if not isinstance(key, ScalarNode):
                raise Mistake(line, "this is no name")
            if key.value in found or key.value in before:
                raise Mistake(line, f"{key.value} stands here for the second time")
            found[key.value] = self._tree(value)
        return found

    def _tree(self, node: Node) -> Tree:
        line = self._line + node.start_mark.line + 1
        if id(node) in self._seen:  # a few lines of these can stand for gigabytes
            raise Mistake(line, "references (*) are not read")
        self._seen.add(id(node))
        if isinstance(node, MappingNode):
            return Group(line, self.parts(node, {}))
        if isinstance(node, SequenceNode):
            return Items(line, [self._tree(each) for each in node.value])
        return self._scalar(node, line)

    def _scalar(self, node: Node, line: int) -> Scalar:
        first, last = self._start + node.start_mark.index, self._start + node.end_mark.index
        quoted = bool(getattr(node, "style", None))
        rest = _LINE.match(self._text, last)
        remark = rest is not None and rest[0].lstrip().startswith("#")
        value = "" if node.tag == _NULL and not quoted else str(node.value)
        return Scalar(value, line, first, last, quoted, remark)


def plain(tree: Tree) -> Any:
    """What YAML means by it."""
    if isinstance(tree, Group):
        return {name: plain(part) for name, part in tree.parts.items()}
    if isinstance(tree, Items):
        return [plain(part) for part in tree.parts]
    return tree.text if tree.quoted else yaml.safe_load(tree.text or "~")
