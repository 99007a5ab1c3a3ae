"""One supervised engine and all answers that it computes; they stay with it, as no other model could go on with them.

Which engine new requests go to is `client`'s matter.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing

from bramble.engine import wire
from bramble.engine.doorway import Case, Doorway
from bramble.engine.forgetting import Forgetting
from bramble.engine.process import EngineSpec
from bramble.engine.question import Question
from bramble.engine.seam import Event, Paused, Seam
from bramble.engine.state import EngineState, Phase, Ration
from bramble.engine.supervisor import Supervisor
from bramble.errors import (
    BadRequest,
    BrambleError,
    EngineLost,
    EnginePutAway,
    ModelUnavailable,
    PromptTooLong,
)

Mailbox = asyncio.Queue[wire.Event | BrambleError]
"""One request's events. Unbounded, but an answer has at most `context` tokens and so as many events."""


class House:
    """Made and started once. `ids` number requests, `changed` is told of every change of state."""

    def __init__(
        self,
        spec: EngineSpec,
        ration: Ration | None,
        ids: Iterator[int],
        changed: "Callable[[House, EngineState], None]",
    ) -> None:
        self.spec = spec
        self.supervisor = Supervisor(
            spec, on_events=self._deliver, on_loss=self._lose, ration=ration
        )
        self.forgetting = Forgetting(spec.load.kept if isinstance(spec.load, wire.Load) else "")
        self.limits: wire.Limits | None = None
        self.supervisor.watch(self._remind)
        self.supervisor.watch(lambda state: changed(self, state))
        self._ids = ids
        self._mailboxes: dict[int, Mailbox] = {}
        self._doorway = Doorway()
        self._guests = 0
        self.empty = asyncio.Event()
        """Set while no answer is computed here, or waits for the engine to come back."""
        self.empty.set()

    @property
    def state(self) -> EngineState:
        """What the engine is doing now."""
        return self.supervisor.state

    def limit(self, limits: wire.Limits) -> None:
        """See `Engine.limit`."""
        self.limits = limits
        if self.state.phase is Phase.READY:
            self.supervisor.send(limits)

    async def forget(self, *, conversation: str, system: str) -> None:
        """See `Engine.forget`."""
        self.supervisor.send(wire.Forget(conversation, system))
        await self.forgetting.forget(conversation=conversation, system=system)

    async def leave(self, seconds: float) -> None:
        """Make room for another model, which could not go on with anything that this one kept."""
        await self.supervisor.stop(seconds, keep=False)
        self.forgetting.engine_ended()

    async def generate(self, request: wire.Generate) -> AsyncGenerator[Event | Paused, None]:
        """See `Engine.generate`."""
        self._guests += 1
        self.empty.clear()
        try:
            async with aclosing(self._generate(request)) as events:
                async for event in events:
                    yield event
        finally:
            self._guests -= 1
            if not self._guests:
                self.empty.set()

    async def _generate(self, request: wire.Generate) -> AsyncGenerator[Event | Paused, None]:
        seam, case = Seam(request), Case()
        while True:
            try:
                model = await self.supervisor.ready()
                async with (
                    self._doorway.inside(case, model.slots),
                    aclosing(self._live(seam)) as events,
                ):
                    if self.state.phase is not Phase.READY:  # it died while others went first
                        continue
                    async for event in events:
                        yield event
                return
            except EngineLost as error:
                if self.state.phase is Phase.STOPPED:
                    raise
                if case.guilty:
                    raise _given_up(case) from error
                lost = error
            yield Paused(f"{lost.message} The answer goes on then.")

    async def _live(self, seam: Seam) -> AsyncGenerator[Event, None]:
        """One engine's part of an answer. Raises EngineLost where it dies."""
        order = seam.order()
        id, over = order.id, False
        mailbox = self._mailboxes[id] = Mailbox()
        try:
            self.supervisor.send(order)
            while not over:
                event = await mailbox.get()
                over = isinstance(event, wire.Done | wire.Refused | BrambleError)
                if told := seam.take(_checked(event, seam)):
                    yield told
        finally:
            del self._mailboxes[id]
            if not over:
                self.supervisor.send(wire.Cancel(id))

    async def ask(self, question: Question) -> wire.Event:
        """What is told of it. Raises BadRequest, EngineLost."""
        mailbox = self._mailboxes[question.id] = Mailbox()
        try:
            self.supervisor.send(question)
            event = await mailbox.get()
        finally:
            del self._mailboxes[question.id]
        if isinstance(event, BrambleError):
            raise event
        if isinstance(event, wire.Refused):
            raise BadRequest(event.message)
        return event

    def _deliver(self, events: tuple[wire.Event, ...]) -> None:
        for event in events:
            mailbox = self._mailboxes.get(event.id)
            if mailbox is not None:  # a cancelled request's last events have no reader any more
                mailbox.put_nowait(event)

    def _remind(self, state: EngineState) -> None:
        """A new engine knows of no limits. Its state changes once when it becomes ready."""
        if state.pid is None:
            self.forgetting.engine_ended()
        if state.phase is Phase.READY and self.limits is not None:
            self.supervisor.send(self.limits)

    def _lose(self, error: EngineLost) -> None:
        if isinstance(error, EnginePutAway):
            self._doorway.emptied()
        else:
            self._doorway.died()
        for mailbox in self._mailboxes.values():
            mailbox.put_nowait(error)


def _given_up(case: Case) -> EngineLost:
    message = f"The model process ended {case.deaths} times over this answer; it is given up."
    return EngineLost(message, "Ask in other words.")


def _checked(event: wire.Event | BrambleError, seam: Seam) -> Event:
    if isinstance(event, BrambleError):
        raise event
    if isinstance(event, wire.Started | wire.Progress | wire.Piece | wire.Done):
        return event
    if not isinstance(event, wire.Refused):
        raise TypeError(f"{type(event).__name__} is no part of an answer")
    if event.code == "context_length_exceeded" and seam.spoke:
        raise ModelUnavailable(
            "The model came back with less memory: this answer no longer fits.", "Ask again."
        )
    if event.code == "context_length_exceeded":
        raise PromptTooLong(event.prompt_tokens, event.context)
    raise BadRequest(event.message)
