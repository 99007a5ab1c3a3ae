"""The daemon's side of the engine: requests out, events back, and a state that never lies.

Who supervises the process is `supervisor`; nothing here knows about queues, conversations or HTTP.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from itertools import count

from bramble.engine import wire
from bramble.engine.doorway import Case, Doorway
from bramble.engine.extras import Extras, Said
from bramble.engine.seam import Event, Paused, Seam
from bramble.engine.supervisor import EngineSpec, EngineState, Phase, Ration, Supervisor
from bramble.errors import (
    BadRequest,
    BrambleError,
    EngineLost,
    EnginePutAway,
    ModelUnavailable,
    PromptTooLong,
)

__all__ = ["Engine", "EngineSpec", "EngineState", "Paused", "Phase"]

Mailbox = asyncio.Queue[wire.Event | BrambleError]
"""One request's events. Unbounded, but an answer has at most `context` tokens and so as many events."""


DEFAULT_SAMPLING = wire.Sampling()
NO_EXTRAS = Extras()
NOTHING_SAID = Said()


class Engine:
    """One engine process, kept alive. Make it, `start` it, `generate` from it, `stop` it."""

    def __init__(self, spec: EngineSpec, ration: Ration | None = None) -> None:
        self._supervisor = Supervisor(
            spec, on_events=self._deliver, on_loss=self._lose, ration=ration
        )
        self._limits: wire.Limits | None = None
        self.watch(self._remind)
        self._ids = count(1)
        self._mailboxes: dict[int, Mailbox] = {}
        self._doorway = Doorway()

    @property
    def state(self) -> EngineState:
        """What the engine is doing now."""
        return self._supervisor.state

    @property
    def last_words(self) -> list[str]:
        """The last lines of the engine's stderr, oldest first."""
        return list(self._supervisor.last_words)

    def watch(self, callback: Callable[[EngineState], None]) -> Callable[[], None]:
        """Call back on every change of state; returns what ends that."""
        return self._supervisor.watch(callback)

    async def start(self) -> None:
        """Spawn the engine and keep it alive from now on; does not wait until it is ready."""
        self._supervisor.start()

    async def stop(self, grace: float) -> None:
        """End the engine: in order within `grace` seconds, else by force."""
        await self._supervisor.stop(grace)

    def limit(self, limits: wire.Limits) -> None:
        """Let it do with less, or with as much as was planned again: this engine and all that follow."""
        self._limits = limits
        if self.state.phase is Phase.READY:
            self._supervisor.send(limits)

    def rest(self, reason: str, *, until_asked: bool = False) -> None:
        """Give the model's memory back until `wake`, or until somebody asks for an answer."""
        self._supervisor.rest(reason, until_asked=until_asked)

    def wake(self) -> None:
        """Load the model again, smaller where there is less memory now."""
        self._supervisor.wake()

    async def ready(self) -> wire.Ready:
        """Wait until a model answers. Raises ModelUnavailable where waiting would not help."""
        return await self._supervisor.ready()

    async def generate(
        self,
        turns: tuple[wire.Turn, ...],
        *,
        max_tokens: int,
        stop: tuple[str, ...] = (),
        sampling: wire.Sampling = DEFAULT_SAMPLING,
        extras: Extras = NO_EXTRAS,
        said: Said = NOTHING_SAID,
    ) -> AsyncGenerator[Event | Paused, None]:
        """Answer a conversation, after what was `said` already. Closing the generator cancels within one step.

        Where the engine dies the answer goes on in the next one, after a `Paused`. Raises PromptTooLong, BadRequest,
        ModelUnavailable, and EngineLost once the engine died again and again with this request alone.
        """
        if self.state.phase is not Phase.READY:
            raise ModelUnavailable(self.state.reason or "The model is not loaded.", self.state.hint)
        id = next(self._ids)
        request = wire.Generate(id, turns, max_tokens, stop, sampling, extras, said)
        seam, case = Seam(request), Case()
        while True:
            try:
                model = await self.ready()
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
                if self._stopped:
                    raise
                if case.guilty:
                    raise _given_up(case) from error
                lost = error
            yield Paused(f"{lost.message} The answer goes on then.")

    @property
    def _stopped(self) -> bool:
        return self.state.phase is Phase.STOPPED

    async def _live(self, seam: Seam) -> AsyncGenerator[Event, None]:
        """One engine's part of an answer. Raises EngineLost where it dies."""
        order = seam.order()
        id, over = order.id, False
        mailbox = self._mailboxes[id] = Mailbox()
        try:
            self._supervisor.send(order)
            while not over:
                event = await mailbox.get()
                over = isinstance(event, wire.Done | wire.Refused | BrambleError)
                if told := seam.take(_checked(event, seam)):
                    yield told
        finally:
            del self._mailboxes[id]
            if not over:
                self._supervisor.send(wire.Cancel(id))

    def typing(self, key: str, turns: tuple[wire.Turn, ...]) -> None:
        """Somebody is typing the last of these turns: compute ahead while nothing else is to do. None: not any more."""
        if turns:
            self._supervisor.asked()
        if self.state.phase is Phase.READY:
            self._supervisor.send(wire.Typing(key, turns))

    def _deliver(self, events: tuple[wire.Event, ...]) -> None:
        for event in events:
            mailbox = self._mailboxes.get(event.id)
            if mailbox is not None:  # a cancelled request's last events have no reader any more
                mailbox.put_nowait(event)

    def _remind(self, state: EngineState) -> None:
        """A new engine knows of no limits. Its state changes once when it becomes ready."""
        if state.phase is Phase.READY and self._limits is not None:
            self._supervisor.send(self._limits)

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
    if isinstance(event, wire.Embedded):
        raise TypeError("a model that chats sent vectors")
    if not isinstance(event, wire.Refused):
        return event
    if event.code == "context_length_exceeded" and seam.spoke:
        raise ModelUnavailable(
            "The model came back with less memory: this answer no longer fits.", "Ask again."
        )
    if event.code == "context_length_exceeded":
        raise PromptTooLong(event.prompt_tokens, event.context)
    raise BadRequest(event.message)
