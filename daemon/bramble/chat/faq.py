"""Pinned answers: what whoever looks after the appliance wrote for certain questions, in a YAML file.

The file is read again when it changes.
"""

import logging
import re
import unicodedata
from pathlib import Path

import msgspec
import yaml

from bramble.errors import BadRequest

log = logging.getLogger("bramble.chat")

LIMIT = 1 << 20
"""Bytes of the file."""

_ENDS = ".?!。…~,;:、 "
_BLANKS = re.compile(r"\s+")
_WIDE_BLANK = re.compile(r"(?<=[\u2e80-\u9fff\uac00-\ud7af]) | (?=[\u2e80-\u9fff\uac00-\ud7af])")
"""A blank beside a 汉字 means nothing."""


class Pinned(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One answer, to a question or to several wordings of it."""

    question: str | list[str]
    answer: str


def normalized(question: str) -> str:
    """What questions have in common that differ in width (NFKC), case, spacing or punctuation at the end."""
    text = _BLANKS.sub(" ", unicodedata.normalize("NFKC", question).casefold())
    return _WIDE_BLANK.sub("", text).rstrip(_ENDS).lstrip()


def read(file: Path) -> dict[str, str]:
    """The answers by normalized question. Raises BadRequest with what is wrong."""
    try:
        data = file.read_bytes()
        if len(data) > LIMIT:
            raise BadRequest(f"{file} is larger than {LIMIT >> 20} MiB.")
        pinned = msgspec.convert(yaml.safe_load(data) or [], list[Pinned])
    except OSError as error:
        raise BadRequest(f"{file} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, msgspec.ValidationError, UnicodeDecodeError) as error:
        hint = "It is a list of {question: …, answer: …}; a question may be a list of wordings."
        raise BadRequest(f"{file} is not as it should be: {error}", hint) from error
    found: dict[str, str] = {}
    for each in pinned:
        wordings = [each.question] if isinstance(each.question, str) else each.question
        found.update({normalized(wording): each.answer for wording in wordings})
    return found


class Faq:
    """The file's answers as they are now; while it has a mistake, as they were before."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._stamp: tuple[int, int] | None = None
        self._answers: dict[str, str] = {}

    def find(self, question: str) -> str | None:
        """The answer that is pinned to this question."""
        if self._file is None:
            return None
        self._look(self._file)
        return self._answers.get(normalized(question))

    def _look(self, file: Path) -> None:
        try:
            status = file.stat()
            stamp = status.st_mtime_ns, status.st_size
        except OSError:
            stamp = None
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._answers = read(file) if stamp else {}
        except BadRequest as error:
            log.error("pinned answers stay as they were: %s", error.message)
