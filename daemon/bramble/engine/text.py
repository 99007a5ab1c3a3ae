"""From tokens' bytes to text that may be shown: whole characters only, cut at the first stop string."""

import codecs
from collections.abc import Iterable


class TextStream:
    """Collects an answer's bytes. What could still become part of a stop string is held back."""

    def __init__(self, stops: tuple[str, ...]) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._stops = tuple(stop for stop in stops if stop)
        self._held = ""
        self._ahead = 0
        self.stopped = False

    def go_on(self, pieces: Iterable[bytes], shown: int) -> None:
        """Take in tokens' bytes that were told before: `shown` characters, or what was certain if that is more."""
        certain = sum(len(self.feed(data)) for data in pieces)
        self._ahead = max(shown - certain, 0)

    def feed(self, data: bytes) -> str:
        """Take a token's bytes; return the characters that are now certain (maybe none)."""
        return self._unseen(self._release(self._decoder.decode(data)))

    def finish(self) -> str:
        """The answer is over: return what was held back; half a character becomes U+FFFD."""
        text = self._release(self._decoder.decode(b"", final=True))
        rest, self._held = self._held, ""
        return self._unseen(text if self.stopped else text + rest)

    def _unseen(self, text: str) -> str:
        """Without what was shown before it was certain."""
        seen = min(self._ahead, len(text))
        self._ahead -= seen
        return text[seen:]

    def _release(self, text: str) -> str:
        if not self._stops:
            return text
        self._held += text
        cut = min(
            (at for stop in self._stops if (at := self._held.find(stop)) >= 0),
            default=-1,
        )
        if cut >= 0:
            self.stopped = True
        else:
            cut = len(self._held) - self._overlap()
        certain = self._held[:cut]
        self._held = "" if self.stopped else self._held[cut:]
        return certain

    def _overlap(self) -> int:
        """Length of the longest end of the held text that begins a stop string."""
        longest = max(map(len, self._stops)) - 1
        for size in range(min(longest, len(self._held)), 0, -1):
            end = self._held[-size:]
            if any(stop.startswith(end) for stop in self._stops):
                return size
        return 0
