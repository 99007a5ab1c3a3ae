"""Tells what a model thinks, between <think> and </think> at the beginning of an answer, from what it says."""

OPEN, CLOSE = "<think>", "</think>"


class Thoughts:
    """One answer, as it grows."""

    def __init__(self) -> None:
        self._held = ""
        self._inside: bool | None = None
        """None before the first word."""
        self._fresh = False
        """Right behind a tag: blanks there are dropped."""

    def feed(self, text: str) -> tuple[str, str]:
        """Take the next characters; return what is certain now: of the thoughts, and of what is said."""
        self._held += text
        thought = ""
        if self._inside is None and not self._begins():
            return "", ""
        if self._inside:
            end = self._held.find(CLOSE)
            if end < 0:
                sure = len(self._held) - _overlap(self._held)
                thought, self._held = self._held[:sure], self._held[sure:]
                return self._begun(thought), ""
            thought = self._begun(self._held[:end])
            self._held = self._held[end + len(CLOSE) :]
            self._inside, self._fresh = False, True
        said, self._held = self._held, ""
        return thought, self._begun(said)

    def finish(self) -> tuple[str, str]:
        """The answer is over: what was held back."""
        held, self._held = self._begun(self._held), ""
        return (held, "") if self._inside else ("", held)

    def _begun(self, text: str) -> str:
        if self._fresh:
            text = text.lstrip()
            self._fresh = not text
        return text

    def _begins(self) -> bool:
        """Whether it is known what the answer begins with."""
        start = self._held.lstrip()
        if start.startswith(OPEN):
            self._inside, self._fresh, self._held = True, True, start[len(OPEN) :]
        elif not OPEN.startswith(start):
            self._inside = False
        return self._inside is not None


def _overlap(text: str) -> int:
    """Length of the longest end of a text that begins the closing tag."""
    longest = min(len(CLOSE) - 1, len(text))
    return next((size for size in range(longest, 0, -1) if CLOSE.startswith(text[-size:])), 0)
