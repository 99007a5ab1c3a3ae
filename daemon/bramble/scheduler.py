"""The only waiting queue: bounded, fair between people, and honest about position and time to wait."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass

import msgspec

from bramble.account import Account
from bramble.engine.client import Engine, Paused
from bramble.engine.extras import Extras, Said
from bramble.engine.wire import Done, Piece, Progress, Sampling, Started, Turn
from bramble.errors import BrambleError, Busy, Recovering

LEARNING = 0.2
"""Weight of the newest answer in the average that estimates are made from."""
HELD_SECONDS = 20.0
"""Retry-After while the board recovers: two looks of its guards."""
FIRST_GUESS = 15.0
"""Seconds an answer is taken to last before one was measured; only Retry-After is made from it."""


class Queued(msgspec.Struct, frozen=True):
    """Still waiting: `position` 1 is next; `eta` in seconds, None before anything was measured."""

    position: int
    eta: float | None


class Request(msgspec.Struct, frozen=True):
    """What is asked of the engine; it goes on after what was `said` of the answer before.

    `conversation` names a stored one.
    """

    turns: tuple[Turn, ...]
    max_tokens: int
    stop: tuple[str, ...] = ()
    sampling: Sampling = Sampling()
    extras: Extras = Extras()
    said: Said = Said()
    conversation: str = ""


@dataclass(eq=False)
class _Ticket:
    """A place in the queue. `changed` is set when the place moves or the turn has come; `begun`: the engine has it."""

    person: str
    changed: asyncio.Event
    admitted: bool = False
    begun: bool = False
    place: int = 0


class Scheduler:
    """Lets `slots` requests into the engine at once and keeps at most `waiting` more, `per_person` of one person."""

    def __init__(self, engine: Engine, *, slots: int, waiting: int, per_person: int) -> None:
        self._engine = engine
        self._slots, self._limit, self._per_person = slots, waiting, per_person
        self._queue: list[_Ticket] = []
        self._admitted: list[_Ticket] = []
        self._active: Counter[str] = Counter()
        self._served: dict[str, int] = {}
        self._turns = 0
        self._average: float | None = None
        self._draining = False
        self._held = ""
        self._paused = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._watchers: list[Callable[[], None]] = []
        self._auditors: list[Callable[[Account], None]] = []

    @property
    def slots(self) -> int:
        """Requests that may be in the engine at once."""
        return self._slots

    @property
    def running(self) -> int:
        """Requests in the engine now."""
        return self._active.total()

    @property
    def waiting(self) -> int:
        """Requests that wait for a slot."""
        return len(self._queue)

    @property
    def held(self) -> bool:
        """Whether nothing new is taken until the board has recovered."""
        return bool(self._held)

    def watch(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back when `running` or `waiting` changes; returns what ends that."""
        self._watchers.append(callback)
        return lambda: self._watchers.remove(callback)

    def audit(self, callback: Callable[[Account], None]) -> None:
        """Call back with what each request cost, at its end, however it ends."""
        self._auditors.append(callback)

    async def submit(
        self, person: str, request: Request
    ) -> AsyncGenerator[Queued | Started | Progress | Piece | Paused | Done, None]:
        """Wait for a slot, then answer. Closing the generator gives up the place or cancels the answer.

        Raises Busy at once where the queue is full, ModelUnavailable, and what `Engine.generate` raises.
        """
        account = Account()
        try:
            async with aclosing(self._submit(person, request)) as events:
                async for event in events:
                    account.take(event)
                    yield event
        except BrambleError as error:
            account.outcome = "refused" if isinstance(error, Busy) else "error"
            raise
        finally:
            for auditor in self._auditors:
                auditor(account)

    async def _submit(
        self, person: str, request: Request
    ) -> AsyncGenerator[Queued | Started | Progress | Piece | Paused | Done, None]:
        ticket = self._enter(person)
        clock = asyncio.get_running_loop().time
        try:
            while not ticket.begun:
                async for queued in self._wait(ticket):
                    yield queued
                await self._engine.ready()
                ticket.begun = ticket.admitted  # the model may have come back with fewer slots
            began = clock()
            events = self._engine.generate(
                request.turns,
                max_tokens=request.max_tokens,
                stop=request.stop,
                sampling=request.sampling,
                extras=request.extras,
                said=request.said,
                conversation=request.conversation,
            )
            try:
                async for event in events:
                    yield event
            finally:
                await events.aclose()
            self._measure(clock() - began)
        finally:
            self._leave(ticket)

    def resize(self, slots: int) -> None:
        """From now on let so many in; who was let in but has not begun goes back to the head of the queue."""
        if slots == self._slots:
            return
        self._slots = slots
        for ticket in [each for each in self._admitted if not each.begun][::-1]:
            if self.running > slots:
                self._dismiss(ticket)
                ticket.admitted = False
                ticket.place = 0
                self._served.pop(ticket.person, None)  # nothing was served: nobody goes before them
                self._queue.insert(0, ticket)
        self._admit()

    def hold(self, reason: str) -> None:
        """Refuse what is new with this sentence and let nobody in until it is empty; who waits keeps the place."""
        self._held = reason
        self._admit()

    def bound(self, *, waiting: int, per_person: int) -> None:
        """From now on let so many wait; who waits already stays."""
        self._limit, self._per_person = waiting, per_person

    def pause(self) -> None:
        """Let nobody in until `go_on`; who comes waits in the queue."""
        self._paused = True

    def go_on(self) -> None:
        """Let people in again."""
        self._paused = False
        self._admit()

    async def drain(self, seconds: float) -> None:
        """Refuse what is new and what waits; give running answers at most `seconds`."""
        self._draining = True
        for ticket in self._queue:
            ticket.changed.set()
        try:
            await asyncio.wait_for(self._idle.wait(), seconds)
        except TimeoutError:
            return

    # ── the queue ────────────────────────────────────────────────────────────────────────────────

    def _enter(self, person: str) -> _Ticket:
        if self._draining:
            raise Busy("The appliance is shutting down.", retry_after=10.0)
        if self._held:
            raise Recovering(self._held, HELD_SECONDS)
        own = sum(ticket.person == person for ticket in self._queue)
        full = self.running >= self._slots or bool(self._queue) or self._paused
        if full and len(self._queue) >= self._limit:
            raise Busy(f"{len(self._queue)} others are waiting already.", self._estimate(1))
        if full and own >= self._per_person:
            raise Busy(f"{own} of your own messages are waiting already.", self._estimate(1))
        ticket = _Ticket(person, asyncio.Event())
        self._queue.append(ticket)
        self._idle.clear()
        self._admit()
        return ticket

    async def _wait(self, ticket: _Ticket) -> AsyncGenerator[Queued, None]:
        told = 0
        while not ticket.admitted:
            if self._draining:
                raise Busy("The appliance is shutting down.", retry_after=10.0)
            if ticket.place != told:
                told = ticket.place
                yield Queued(told, self._eta(told))
                continue
            await ticket.changed.wait()
            ticket.changed.clear()

    def _leave(self, ticket: _Ticket) -> None:
        if ticket.admitted:
            self._dismiss(ticket)
        else:
            self._queue.remove(ticket)
        self._admit()
        if not self.running and not self._queue:
            self._idle.set()

    def _dismiss(self, ticket: _Ticket) -> None:
        self._admitted.remove(ticket)
        self._active[ticket.person] -= 1
        self._active += Counter()  # drops whoever has nothing running any more

    def _admit(self) -> None:
        """Fill free slots, then tell everyone who still waits where they stand."""
        open_ = not (self._draining or self._held or self._paused)
        while open_ and self._queue and self.running < self._slots:
            ticket = self._order()[0]
            self._queue.remove(ticket)
            self._turns += 1
            self._served[ticket.person] = self._turns
            self._active[ticket.person] += 1
            ticket.admitted = True
            self._admitted.append(ticket)
            ticket.changed.set()
        for place, ticket in enumerate(self._order(), start=1):
            if ticket.place != place:
                ticket.place = place
                ticket.changed.set()
        self._forget_the_served()
        for watcher in list(self._watchers):
            watcher()

    def _order(self) -> list[_Ticket]:
        """Who comes next: people with the least running or queued before them, then who was served longest ago."""
        ahead: Counter[str] = Counter(self._active)
        ranked: list[tuple[int, int, int, _Ticket]] = []
        for index, ticket in enumerate(self._queue):
            person = ticket.person
            ranked.append((ahead[person], self._served.get(person, 0), index, ticket))
            ahead[person] += 1
        return [ticket for *_, ticket in sorted(ranked, key=lambda entry: entry[:3])]

    def _forget_the_served(self) -> None:
        """Fairness needs only the recent past: without this every visitor ever would stay in memory."""
        if len(self._served) > 4 * (self._limit + self._slots):
            newest = sorted(self._served, key=self._served.__getitem__)[-self._limit :]
            self._served = {person: self._served[person] for person in newest}

    # ── estimates ────────────────────────────────────────────────────────────────────────────────

    def _measure(self, seconds: float) -> None:
        old = self._average
        self._average = seconds if old is None else old + LEARNING * (seconds - old)

    def _eta(self, place: int) -> float | None:
        """Seconds until the ticket at `place` gets a slot: answers end one after another, `slots` at a time."""
        return None if self._average is None else round(self._average * place / self._slots, 1)

    def _estimate(self, place: int) -> float:
        return self._eta(place) or FIRST_GUESS * place / self._slots
