"""What one request cost, as the person who waited sees it; `Scheduler` keeps one for each and hands it on."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from bramble.engine.wire import Done, Piece, Started

Outcome = Literal["stop", "length", "cancelled", "refused", "error"]
OUTCOMES: tuple[Outcome, ...] = ("stop", "length", "cancelled", "refused", "error")


@dataclass
class Account:
    """Times in seconds since it was asked, lengths in tokens; None where it did not come so far."""

    outcome: Outcome = "cancelled"
    queue: float | None = None
    first_token: float | None = None
    per_token: float | None = None
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    clock: Callable[[], float] = time.monotonic
    _asked: float = field(init=False)

    def __post_init__(self) -> None:
        self._asked = self.clock()

    def take(self, event: object) -> None:
        """One more event of this request."""
        match event:
            case Started():
                self.queue = self.clock() - self._asked
                self.prompt_tokens, self.cached_tokens = event.prompt_tokens, event.cached_tokens
            case Piece():
                if self.first_token is None:
                    self.first_token = self.clock() - self._asked
                self.completion_tokens = event.tokens
            case Done():
                self._close(event)
            case _:
                pass

    def _close(self, done: Done) -> None:
        self.outcome = done.reason
        self.completion_tokens = done.completion_tokens
        if done.completion_tokens > 1:
            self.per_token = done.decode_ms / 1000 / (done.completion_tokens - 1)
