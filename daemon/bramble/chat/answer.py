"""One running answer: it goes on without its listeners, numbers its pieces, and is read by any number of followers."""

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing
from itertools import chain
from typing import Literal

import msgspec

from bramble.engine.client import Paused
from bramble.engine.extras import Drawn
from bramble.engine.wire import Done, Piece, Progress, Started
from bramble.errors import BrambleError
from bramble.scheduler import Queued

log = logging.getLogger("bramble.chat")

Event = Queued | Started | Progress | Piece | Paused | Done
Events = AsyncGenerator[Event, None]


class Text(msgspec.Struct, frozen=True):
    """The next characters; with them everything up to piece `n` is told. `drawn` as in `wire.Piece`."""

    n: int
    text: str
    drawn: tuple[Drawn, ...] = ()


class Over(msgspec.Struct, frozen=True):
    """How an answer of `n` pieces ended; `done` where the engine ended it, `error` where the reason is "error"."""

    reason: Literal["stop", "length", "stopped", "error"]
    n: int
    done: Done | None = None
    error: BrambleError | None = None


Update = Queued | Started | Progress | Text | Paused | Over
Recalled = Literal["cache", "pinned"]
"""Where an answer comes from that was not computed."""
Settle = Callable[[Over], Awaitable[None]]


class Internal(BrambleError):
    """A mistake of ours, or a disk that takes nothing any more."""

    code = "internal"


class Answer:
    """Made, begun once, followed by many: its owner may follow it and stop it. One that goes on has `text` already."""

    def __init__(self, reply: int = 0, owner: str = "", text: str = "") -> None:
        self.id = secrets.randbits(52) + 1  # a JSON number that every client holds exactly
        self.reply = reply
        self.owner = owner
        self.trimmed = 0
        self.recalled: Recalled | None = None
        self.pieces: list[str] = [text] if text else []
        self.tokens: list[int] = []
        self._drawn: list[tuple[Drawn, ...]] = [()] if text else []
        self._started: Started | None = None
        self._stage: Queued | Progress | Paused | None = None
        self._done: Done | None = None
        self._because: BrambleError | None = None
        self._over: asyncio.Future[Over] = asyncio.get_running_loop().create_future()
        self._followers: set[asyncio.Event] = set()
        self._pump: asyncio.Task[None] | None = None

    @property
    def over(self) -> bool:
        """Whether it has ended and is stored."""
        return self._over.done()

    async def end(self) -> Over:
        """How it ended, once it has."""
        return await asyncio.shield(self._over)

    @property
    def text(self) -> str:
        """What there is of it so far."""
        return "".join(self.pieces)

    @property
    def taken(self) -> int:
        """Tokens of its prompt and of itself so far, at least: where it was cut off only its pieces can be counted."""
        if self._done is not None:
            return self._done.prompt_tokens + self._done.completion_tokens
        return self._started.prompt_tokens + len(self.pieces) if self._started else 0

    def begin(self, events: Events, settle: Settle) -> asyncio.Task[None]:
        """Take events in until they end, however they end; `settle` is done before any follower is told."""
        self._pump = asyncio.create_task(self._take_all(events))
        return asyncio.create_task(self._finish(self._pump, settle))

    def stop(self, because: BrambleError | None = None) -> None:
        """End it where it is: by wish, or because of something that its followers are told."""
        if self._pump is not None and not self._pump.done():
            self._because = because
            self._pump.cancel()

    async def follow(self, after: int = 0) -> AsyncGenerator[Update, None]:
        """Tell what comes after piece `after`, then go on live to the end; who has a piece knows that it started.

        A slow follower gets the pieces that it missed as one `Text`: nothing is queued for anybody.
        """
        news = asyncio.Event()
        place = _Place(min(after, len(self.pieces)), self._started if after else None)
        self._followers.add(news)
        try:
            while True:
                news.clear()
                over = self.over  # read first: what comes while the rest is told gets its own turn
                for update in self._since(place):
                    yield update
                if over:
                    yield self._over.result()
                    return
                await news.wait()
        finally:
            self._followers.discard(news)

    def _since(self, place: "_Place") -> Iterator[Update]:
        if self._started is not None and self._started is not place.started:
            place.started = self._started
            yield self._started
        if self._stage is not None and self._stage is not place.stage:
            place.stage = self._stage
            yield self._stage
        if (n := len(self.pieces)) > place.n:
            text = "".join(self.pieces[place.n :])
            drawn = tuple(chain.from_iterable(self._drawn[place.n :]))
            place.n = n
            yield Text(n, text, drawn)

    async def _take_all(self, events: Events) -> None:
        async with aclosing(events):
            async for event in events:
                self._take(event)
                self._tell()

    def _take(self, event: Event) -> None:
        match event:
            case Piece():
                self.pieces.append(event.text)
                self.tokens += event.ids
                self._drawn.append(event.drawn)
                self._stage = None
            case Queued() | Progress() | Paused():
                self._stage = event
            case Started():
                self._started, self._stage = event, None
            case Done():
                self._done = event

    def _tell(self) -> None:
        for follower in self._followers:
            follower.set()

    async def _finish(self, pump: asyncio.Task[None], settle: Settle) -> None:
        await asyncio.wait([pump])
        over = self._outcome(pump)
        try:
            await settle(over)
        except BrambleError as error:
            log.error("an answer could not be stored: %s", error.message)
            over = Over("error", over.n, over.done, error)
        except Exception:
            log.exception("an answer could not be stored")
            lost = Internal("The answer could not be stored.", "See the log.")
            over = Over("error", over.n, over.done, lost)
        self._over.set_result(over)
        self._tell()

    def _outcome(self, pump: asyncio.Task[None]) -> Over:
        n, done = len(self.pieces), self._done
        if pump.cancelled():
            return Over("error" if self._because else "stopped", n, error=self._because)
        error = pump.exception()
        if isinstance(error, BrambleError):
            return Over("error", n, error=error)
        if error is not None or done is None:
            log.error("an answer ended as nobody planned", exc_info=error)
            return Over("error", n, error=Internal("The answer broke off.", "See the log."))
        return Over("length" if done.reason == "length" else "stop", n, done)


class _Place:
    """How far one follower is."""

    def __init__(self, n: int, started: Started | None) -> None:
        self.n = n
        self.started = started
        self.stage: Queued | Progress | Paused | None = None
