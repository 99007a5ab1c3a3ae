"""Fetches one file by HTTP: goes on where a connection broke, and believes its own hash rather than any server."""

import re
import threading
import time
from collections.abc import Callable, Collection

import msgspec

from bramble.errors import ModelUnavailable
from bramble.models import web
from bramble.models.part import Origin, Part
from bramble.models.web import Answer, Broken

Progress = Callable[[int, int], None]
"""Called with the bytes that are here and the bytes in all."""

PATIENCE, FIRST_PATIENCE = 8, 3
"""Connections in a row that bring nothing new before a fetch is given up, and before it is where none ever brought a
byte; what is here stays for the next one."""
BACK_OFF = (0.2, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
LONGEST_WAIT = 60.0
"""Seconds that a server may ask to be left alone for."""
SLOWEST, SLOW_SECONDS = 1_000, 60.0
"""Bytes a second, over so many seconds, below which a connection counts as broken."""
WASTE = 3
"""How many times its size may be fetched in all: a server that knows no Range and breaks off never finishes."""
LARGEST = 64 << 30
"""Bytes of a file whose size nobody told before."""
MAGIC = b"GGUF"
_BLOCK = 1 << 17
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)", re.ASCII)
_LATER = "Try again later; what is here already is kept."
_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}


class Wanted(msgspec.Struct, frozen=True):
    """What is to be fetched. `size` is 0 and `sha256` empty where nobody knows them before."""

    url: str
    file: str
    size: int = 0
    sha256: str = ""


class Transfer:
    """One fetch into a part. `received` counts the bytes of all its connections together."""

    def __init__(
        self,
        wanted: Wanted,
        part: Part,
        progress: Progress,
        *,
        local_hosts: Collection[str] = (),
        stop: threading.Event | None = None,
    ) -> None:
        self._wanted, self._part, self._progress = wanted, part, progress
        self._local_hosts, self._stop = local_hosts, stop or threading.Event()
        self._size = wanted.size
        self.received = 0

    def run(self) -> None:
        """Make the part whole and verified, not active. Raises ModelUnavailable; OSError where the disk fails."""
        part, wanted = self._part, self._wanted
        if part.size and (part.origin.url != wanted.url or part.size > (wanted.size or LARGEST)):
            part.begin(Origin(wanted.url))
        old = part.size > 0
        self._complete()
        if self._is_wrong() and old:  # of what an earlier run left, a part may have rotted
            part.begin(Origin(wanted.url))
            self._complete()
        if self._is_wrong():
            found = part.sha256
            part.discard()
            raise ModelUnavailable(
                f"The downloaded {wanted.file} has the SHA-256 {found} instead of {wanted.sha256}; it was thrown away.",
                "Try again later. If it stays so, the server offers another file than Bramble knows.",
            )

    def _is_wrong(self) -> bool:
        return bool(self._wanted.sha256) and self._part.sha256 != self._wanted.sha256

    def _complete(self) -> None:
        """Connect until all is here."""
        fruitless, reason = 0, "nothing came"
        while not self._size or self._part.size < self._size:
            self._go_on(fruitless, reason)
            before = self.received
            try:
                self._connect()
            except Broken as broken:
                reason = str(broken)
                fruitless = 0 if self.received > before else fruitless + 1
                pause = BACK_OFF[min(fruitless, len(BACK_OFF) - 1)]
                self._stop.wait(min(max(broken.wait, pause), LONGEST_WAIT))

    def _go_on(self, fruitless: int, reason: str) -> None:
        """Raises ModelUnavailable where another connection makes no sense."""
        file = self._wanted.file
        if self._stop.is_set():
            raise ModelUnavailable(
                f"The download of {file} was stopped.", "The next one goes on there."
            )
        if fruitless >= (PATIENCE if self.received else FIRST_PATIENCE):
            raise ModelUnavailable(f"{file} cannot be fetched: {reason}.", _LATER)
        if self.received > WASTE * max(self._size, _BLOCK):
            raise ModelUnavailable(
                f"{file} cannot be fetched: the server breaks off and then begins anew each time ({reason}).",
                _LATER,
            )

    def _connect(self) -> None:
        """One connection's worth. Raises Broken where it ends too early."""
        part = self._part
        headers: dict[str, str] = {}
        if part.size:
            headers["Range"] = f"bytes={part.size}-"
            if part.origin.validator:
                headers["If-Range"] = part.origin.validator
        with web.get(self._wanted.url, headers, self._local_hosts) as answer:
            self._read(answer, self._judge(answer))

    # ── what a server says ───────────────────────────────────────────────────────────────────────

    def _judge(self, answer: Answer) -> int:
        """How many bytes follow. Raises Broken to try again, ModelUnavailable where that is useless."""
        if answer.status in _TRANSIENT:
            wait = answer.header("Retry-After")
            seconds = float(wait) if wait.isdecimal() else 0.0
            raise Broken(f"{answer.origin} answers with status {answer.status}", seconds)
        if answer.status == 416:
            self._part.begin(Origin(self._wanted.url))
            raise Broken(f"{answer.origin} has less of the file than was fetched already")
        if answer.status not in (200, 206):
            raise self._refused(f"{answer.origin} answers with status {answer.status}")
        if answer.header("Content-Encoding") not in ("", "identity"):
            raise self._refused(f"{answer.origin} sends it in another form than asked for")
        if answer.header("Content-Type").lower().startswith(("text/html", "application/xhtml")):
            raise self._refused(
                f"{answer.origin} sends a web page instead",
                "Does this network want a sign-in on a web page first?",
            )
        return self._beginning(answer) if answer.status == 200 else self._rest(answer)

    def _beginning(self, answer: Answer) -> int:
        """All of the file follows: it was asked for, has changed, or the server knows no Range."""
        length = answer.header("Content-Length")
        size = int(length) if length.isdecimal() else self._wanted.size
        if not size and not self._wanted.size:
            raise self._refused(f"{answer.origin} does not say how long it is")
        self._require_size(answer, size)
        self._part.begin(Origin(self._wanted.url, _validator(answer)))
        return self._size

    def _rest(self, answer: Answer) -> int:
        """What is missing follows."""
        match = _RANGE.fullmatch(answer.header("Content-Range"))
        first, last, size = map(int, match.groups()) if match else (-1, -1, -1)
        length = answer.header("Content-Length")
        if first != self._part.size or last + 1 != size or length not in ("", str(size - first)):
            raise self._refused(f"{answer.origin} sends another part of it than was asked for")
        self._require_size(answer, size)
        if _validator(answer) != self._part.origin.validator:
            self._part.begin(Origin(self._wanted.url))
            raise Broken("the file was replaced on the server")
        return size - first

    def _require_size(self, answer: Answer, size: int) -> None:
        if (self._wanted.size and size != self._wanted.size) or size > LARGEST:
            raise self._refused(
                f"at {answer.origin} it has {size} bytes instead of {self._wanted.size or LARGEST}"
            )
        self._size = size

    def _refused(self, reason: str, hint: str = "") -> ModelUnavailable:
        usual = "Try again later. If it stays so, the server has another file than Bramble knows."
        return ModelUnavailable(f"{self._wanted.file} cannot be fetched: {reason}.", hint or usual)

    # ── what it sends ────────────────────────────────────────────────────────────────────────────

    def _read(self, answer: Answer, length: int) -> None:
        """Take exactly `length` bytes, never more. Raises Broken where fewer come, or too slowly."""
        part, since, mark = self._part, time.monotonic(), 0
        came = 0
        while came < length:
            if self._stop.is_set():
                return
            block = answer.read(min(_BLOCK, length - came))
            if not block:
                raise Broken("the connection was cut")
            part.append(block)
            came += len(block)
            self.received += len(block)
            if part.size - len(block) < len(MAGIC):
                self._require_model()
            self._progress(part.size, self._size)
            if time.monotonic() - since > SLOW_SECONDS:
                if came - mark < SLOWEST * SLOW_SECONDS:
                    raise Broken(f"{answer.origin} sends next to nothing")
                since, mark = time.monotonic(), came

    def _require_model(self) -> None:
        if not MAGIC.startswith(self._part.beginning):
            self._part.discard()
            raise self._refused("what comes is no GGUF file")


def _validator(answer: Answer) -> str:
    """What If-Range takes: a strong ETag, else the date of the last change."""
    tag = answer.header("ETag")
    return tag if tag and not tag.startswith("W/") else answer.header("Last-Modified")
