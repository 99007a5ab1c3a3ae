"""The daemon's side of the engine: requests out, events back, and a state that never lies.

Who supervises the process is `supervisor`; nothing here knows about queues, conversations or HTTP.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from itertools import count

from bramble.engine import wire
from bramble.engine.extras import Extras
from bramble.engine.supervisor import EngineSpec, EngineState, Phase, Supervisor
from bramble.errors import (
    BadRequest,
    BrambleError,
    EngineLost,
    ModelUnavailable,
    PromptTooLong,
)

__all__ = ["Engine", "EngineSpec", "EngineState", "Phase"]

Mailbox = asyncio.Queue[wire.Event | BrambleError]
"""One request's events. Unbounded, but an answer has at most `context` tokens and so as many events."""


DEFAULT_SAMPLING = wire.Sampling()
NO_EXTRAS = Extras()


class Engine:
    """One engine process, kept alive. Make it, `start` it, `generate` from it, `stop` it."""

    def __init__(self, spec: EngineSpec) -> None:
        self._supervisor = Supervisor(spec, on_events=self._deliver, on_loss=self._lose)
        self._ids = count(1)
        self._mailboxes: dict[int, Mailbox] = {}

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
    ) -> AsyncGenerator[wire.Started | wire.Progress | wire.Piece | wire.Done, None]:
        """Answer a conversation. Closing the generator cancels within one step.

        Raises PromptTooLong, BadRequest, EngineLost, ModelUnavailable.
        """
        if self.state.phase is not Phase.READY:
            raise ModelUnavailable(self.state.reason or "The model is not loaded.", self.state.hint)
        id = next(self._ids)
        mailbox = self._mailboxes[id] = Mailbox()
        over = False
        try:
            self._supervisor.send(wire.Generate(id, turns, max_tokens, stop, sampling, extras))
            while not over:
                event = await mailbox.get()
                over = isinstance(event, wire.Done | wire.Refused | BrambleError)
                yield _checked(event)
        finally:
            del self._mailboxes[id]
            if not over:
                self._supervisor.send(wire.Cancel(id))

    def typing(self, key: str, turns: tuple[wire.Turn, ...]) -> None:
        """Somebody is typing the last of these turns: compute ahead while nothing else is to do. None: not any more."""
        if self.state.phase is Phase.READY:
            self._supervisor.send(wire.Typing(key, turns))

    def _deliver(self, events: tuple[wire.Event, ...]) -> None:
        for event in events:
            mailbox = self._mailboxes.get(event.id)
            if mailbox is not None:  # a cancelled request's last events have no reader any more
                mailbox.put_nowait(event)

    def _lose(self, error: EngineLost) -> None:
        for mailbox in self._mailboxes.values():
            mailbox.put_nowait(error)


def _checked(
    event: wire.Event | BrambleError,
) -> wire.Started | wire.Progress | wire.Piece | wire.Done:
    if isinstance(event, BrambleError):
        raise event
    if isinstance(event, wire.Embedded):
        raise TypeError("a model that chats sent vectors")
    if not isinstance(event, wire.Refused):
        return event
    if event.code == "context_length_exceeded":
        raise PromptTooLong(event.prompt_tokens, event.context)
    raise BadRequest(event.message)
