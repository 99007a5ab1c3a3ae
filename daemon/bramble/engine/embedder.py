"""The daemon's side of the embedding engine: loaded by the first request, ended when nobody has asked for a while."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from itertools import count

from bramble.engine import wire
from bramble.engine.supervisor import EngineSpec, Phase, Supervisor
from bramble.errors import BadRequest, BrambleError, Busy, EngineLost, ModelUnavailable

REQUESTS = 32
"""Requests that may be under way at once; more are refused."""
RETRY_SECONDS = 5.0
UNLOAD_SECONDS = 1.0
"""How long the engine may take to leave by itself."""

Text = str | tuple[int, ...]
"""What is embedded: words, or the model's own tokens."""


class TextTooLong(BadRequest):
    """A text has more tokens than the embedding model takes; the message has both numbers."""

    code = "context_length_exceeded"


@dataclass(frozen=True)
class Embeddings:
    """One vector a text, in order: little-endian float32 of length 1, as SQLite's vector searches take them.

    `tokens` is how many the texts had.
    """

    vectors: tuple[bytes, ...]
    tokens: int


class Embedder:
    """Makes vectors of texts. `name` is what clients call the model; `idle_unload` is in seconds, 0 for never.

    `spec` says how the engine is started, each time anew; it may raise ModelUnavailable.
    """

    def __init__(self, spec: Callable[[], EngineSpec], *, name: str, idle_unload: float) -> None:
        self.name = name
        self._spec, self._idle_unload = spec, idle_unload
        self._supervisor: Supervisor | None = None
        self._model: wire.Ready | None = None
        self._changing = asyncio.Lock()
        self._stopped = False
        self.running = 0
        """Requests under way."""
        self._ids = count(1)
        self._answers: dict[int, asyncio.Future[wire.Embedded]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def pid(self) -> int | None:
        """The engine's process id while there is one."""
        return self._supervisor.state.pid if self._supervisor else None

    @property
    def model(self) -> wire.Ready | None:
        """What the model said of itself when it was last loaded."""
        if self._supervisor and self._supervisor.state.model:
            self._model = self._supervisor.state.model
        return self._model

    async def embed(
        self, texts: tuple[Text, ...], *, dimensions: int = 0, cut: bool = False
    ) -> Embeddings:
        """Vectors of these texts; `dimensions` keeps that many numbers of each, 0 all. Cancelling drops the work.

        With `cut` too long a text counts as far as it fits.
        Raises TextTooLong, BadRequest, Busy, EngineLost, ModelUnavailable.
        """
        if self.running >= REQUESTS:
            raise Busy("Too many requests wait for embeddings.", RETRY_SECONDS)
        self.running += 1
        if self._timer is not None:
            self._timer.cancel()
        try:
            answer = await self._ask(await self._loaded(), texts, dimensions, cut)
        finally:
            self.running -= 1
            if not self.running and self._idle_unload:
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(self._idle_unload, self._rest)
        return Embeddings(answer.vectors, answer.tokens)

    async def stop(self) -> None:
        """End the engine; whoever waits is told."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
        async with self._changing:
            await self._end()
        await asyncio.gather(*self._tasks)

    async def _ask(
        self, supervisor: Supervisor, texts: tuple[Text, ...], dimensions: int, cut: bool
    ) -> wire.Embedded:
        id = next(self._ids)
        answer = self._answers[id] = asyncio.get_running_loop().create_future()
        try:
            supervisor.send(wire.Embed(id, texts, dimensions, cut))
            return await answer
        except asyncio.CancelledError:
            supervisor.send(wire.Cancel(id))
            raise
        finally:
            del self._answers[id]

    async def _loaded(self) -> Supervisor:
        """The engine, once its model is loaded. One that cannot load it is given up: the next request tries again."""
        async with self._changing:
            if self._stopped:
                raise ModelUnavailable("The appliance is shutting down.")
            if self._supervisor is None:
                supervisor = Supervisor(self._spec(), on_events=self._deliver, on_loss=self._lose)
                supervisor.start()
                self._supervisor = supervisor
            supervisor = self._supervisor
        try:
            await supervisor.ready()
        except ModelUnavailable:
            self._later(self._give_up(supervisor))
            raise
        return supervisor

    def _rest(self) -> None:
        if self._supervisor is not None:
            self._later(self._give_up(self._supervisor))

    def _later(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _give_up(self, supervisor: Supervisor) -> None:
        """End an engine that is not needed or not usable, unless somebody else did or needs it now."""
        async with self._changing:
            needed = self.running and supervisor.state.phase is not Phase.FAILED
            if self._supervisor is supervisor and not needed:
                await self._end()

    async def _end(self) -> None:
        supervisor, self._supervisor = self._supervisor, None
        if supervisor is not None:
            await supervisor.stop(UNLOAD_SECONDS)

    def _deliver(self, events: tuple[wire.Event, ...]) -> None:
        for event in events:
            answer = self._answers.get(event.id)
            if answer is None or answer.done():  # its client has left
                continue
            if isinstance(event, wire.Embedded):
                answer.set_result(event)
            elif isinstance(event, wire.Refused):
                answer.set_exception(_error(event))

    def _lose(self, error: EngineLost) -> None:
        for answer in self._answers.values():
            with contextlib.suppress(asyncio.InvalidStateError):
                answer.set_exception(EngineLost(error.message, "Send the request again."))


def _error(refusal: wire.Refused) -> BrambleError:
    if refusal.code == "context_length_exceeded":
        return TextTooLong(refusal.message, "Split it into shorter texts.", field="input")
    if refusal.code == "internal":
        return EngineLost(refusal.message)
    return BadRequest(refusal.message, field="input")
