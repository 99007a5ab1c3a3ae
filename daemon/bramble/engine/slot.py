"""One sequence of the KV cache and the answer that is being written in it, if any."""

import time
from dataclasses import dataclass, field

from bramble.engine.draft import Lookup, Record
from bramble.engine.sample import Sampler
from bramble.engine.text import TextStream
from bramble.engine.wire import Done, FinishReason, Piece

SEND_SECONDS = 0.04
"""Least time between two messages of one answer: twenty-five a second look continuous."""


def stop_at(marks: list[int], start: int, rows: int) -> int:
    """How many of so many rows from token `start` on may be computed in one step, which is to end at a mark."""
    return next((mark - start for mark in marks if start < mark < start + rows), rows)


@dataclass
class Job:
    """An answer in the making. `tokens` is the prompt followed by what was drawn; times on the monotonic clock.

    An answer that goes on begins with tokens behind the prompt: they count as drawn, and as told. `marks` are places in
    the prompt where the model's state is to be kept (`Marks`), so that a step has to end there.
    """

    id: int
    tokens: list[int]
    prompt_size: int
    limit: int
    sampler: Sampler
    text: TextStream
    marks: list[int] = field(default_factory=list[int])
    conversation: str = ""
    cached: int = 0
    began: float = field(default_factory=time.monotonic)
    first: float = 0.0
    reported: int = 0
    record: Record = field(default_factory=Record)
    unsent: str = ""
    sent: float = 0.0

    def __post_init__(self) -> None:
        self.lookup = Lookup(self.tokens)
        self.start = self._told = len(self.tokens)

    @property
    def drawn(self) -> int:
        """How many tokens were drawn so far."""
        return len(self.tokens) - self.prompt_size

    def due(self, text: str) -> bool:
        """Take written text in; whether it is time to send what is unsent.

        The first is sent at once, then no more often than every `SEND_SECONDS`: a message costs the daemon and every
        reader far more than a longer one does, and nobody reads faster.
        """
        self.unsent += text
        return bool(self.unsent) and time.monotonic() - self.sent >= SEND_SECONDS

    def piece(self) -> Piece:
        """Everything that is unsent, as a message."""
        text, self.unsent, self.sent = self.unsent, "", time.monotonic()
        ids = tuple(self.tokens[self._told :])
        self._told = len(self.tokens)
        return Piece(self.id, text, self.drawn, self.sampler.take_drawn(), ids)

    def done(self, reason: FinishReason) -> Done:
        """The closing message, with the job's counts and times."""
        now = time.monotonic()
        first = self.first or now
        return Done(
            id=self.id,
            reason=reason,
            prompt_tokens=self.prompt_size,
            cached_tokens=self.cached,
            completion_tokens=self.drawn,
            prefill_ms=round((first - self.began) * 1000, 2),
            decode_ms=round((now - first) * 1000, 2),
        )


@dataclass
class Slot:
    """`held` are the tokens whose cells this sequence holds; they outlive the job as a prefix to reuse.

    A slot with a job whose tokens are all held but the last is decoding; before that it is prefilling. A `parked` job
    waits until the cache has room for it. `answered` of the tokens are a stored conversation's, as far as they were
    answered: what somebody types is none of that before it is sent.
    """

    sequence: int
    held: list[int] = field(default_factory=list[int])
    job: Job | None = None
    parked: bool = False
    used: float = 0.0
    conversation: str = ""
    answered: int = 0

    @property
    def missing(self) -> int:
        """How many of the job's tokens have no cells yet; 1 while decoding, 0 without a job."""
        return len(self.job.tokens) - len(self.held) if self.job else 0
