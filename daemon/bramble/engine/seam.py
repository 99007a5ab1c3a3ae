"""One answer across the deaths of the engine: what it said so far, and what is told of its next life."""

import time

import msgspec

from bramble.engine import wire
from bramble.engine.extras import Said

Event = wire.Started | wire.Progress | wire.Piece | wire.Done


class Paused(msgspec.Struct, frozen=True):
    """The engine was lost; the answer goes on as soon as it is back. The next piece ends the pause."""

    message: str


class Seam:
    """Made of a request. `order` is what is asked of each engine, `take` what its reader hears of it."""

    def __init__(self, request: wire.Generate) -> None:
        self._request = request
        self._before = request.said
        self._ids: list[int] = []
        self._shown = 0
        self._started: wire.Started | None = None
        self._asked = time.monotonic()
        self._first = 0.0
        self.lives = 0

    @property
    def spoke(self) -> bool:
        """Whether its reader has seen some of it."""
        return bool(self._ids)

    def order(self) -> wire.Generate:
        """What is asked of the next engine: the rest of the answer."""
        self.lives += 1
        before = self._before
        said = Said(before.text, (*before.tokens, *self._ids), before.shown + self._shown)
        return msgspec.structs.replace(self._request, said=said)

    def take(self, event: Event) -> Event | None:
        """An event as its reader is to hear it, None where that was told of an earlier life."""
        match event:
            case wire.Started():
                if self._started is not None:
                    return None
                self._started = event
            case wire.Progress():
                return None if self.spoke else event
            case wire.Piece():
                self._first = self._first or time.monotonic()
                self._ids += event.ids
                self._shown += len(event.text)
            case wire.Done() if self.lives > 1:
                return self._whole(event)
            case wire.Done():
                pass
        return event

    def _whole(self, done: wire.Done) -> wire.Done:
        """Counts and times of all lives: the last one's clock began in the middle, and a pause is time as well."""
        now = time.monotonic()
        first = self._first or now
        return msgspec.structs.replace(
            done,
            cached_tokens=self._started.cached_tokens if self._started else done.cached_tokens,
            prefill_ms=round((first - self._asked) * 1000, 2),
            decode_ms=round((now - first) * 1000, 2),
        )
