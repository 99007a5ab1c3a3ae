"""The daemon's side of the engine: requests out, events back, and a state that never lies.

Who supervises the process is `supervisor`; nothing here knows about queues, conversations or HTTP.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from itertools import count
from typing import TypeVar

import msgspec

from bramble.engine import wire
from bramble.engine.extras import Extras, Said
from bramble.engine.house import House
from bramble.engine.question import Question, Told
from bramble.engine.seam import Event, Paused
from bramble.engine.supervisor import EngineSpec, EngineState, Phase, Ration
from bramble.errors import Busy, ModelUnavailable

__all__ = ["Engine", "EngineSpec", "EngineState", "Paused", "Phase"]

T = TypeVar("T", bound=Told)
QUESTIONS = 8
"""Questions that may be asked at once."""
ASK_SECONDS = 20.0
"""The longest that one may take: a step of a slow board, or a load."""
DEFAULT_SAMPLING = wire.Sampling()
NO_EXTRAS = Extras()
NOTHING_SAID = Said()
LEAVE_SECONDS = 1.0
"""How long an engine whose model was replaced may take to leave by itself."""


class Engine:
    """An engine process, kept alive, and for a while two. Make it, `start` it, `generate` from it, `stop` it."""

    def __init__(self, spec: EngineSpec, ration: Ration | None = None) -> None:
        self._ration = ration
        self._limits: wire.Limits | None = None
        self._ids = count(1)
        self._watchers: list[Callable[[EngineState], None]] = []
        self._asking = 0
        self._houses: list[House] = []
        self._house = self._build(spec)
        self._trial: asyncio.Event | None = None
        self._moving_out: set[asyncio.Task[None]] = set()

    @property
    def state(self) -> EngineState:
        """What the engine that answers is doing now."""
        return self._house.state

    @property
    def spec(self) -> EngineSpec:
        """What the engine that answers was started with."""
        return self._house.spec

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes of all models that are in memory."""
        return tuple(house.state.pid for house in self._houses if house.state.pid)

    @property
    def last_words(self) -> list[str]:
        """The last lines of the engine's stderr, oldest first."""
        return list(self._house.supervisor.last_words)

    def watch(self, callback: Callable[[EngineState], None]) -> Callable[[], None]:
        """Call back on every change of state; returns what ends that."""
        self._watchers.append(callback)
        return lambda: self._watchers.remove(callback)

    async def start(self) -> None:
        """Spawn the engine and keep it alive from now on; does not wait until it is ready."""
        self._house.supervisor.start()

    async def stop(self, grace: float) -> None:
        """End the engine: in order within `grace` seconds, else by force."""
        for task in self._moving_out:
            task.cancel()
        await asyncio.gather(*(house.supervisor.stop(grace) for house in list(self._houses)))

    async def restart(self) -> None:
        """Begin anew with the same model, also where it had failed; answers go on after that."""
        if self.state.phase is not Phase.FAILED:
            self.rest("The model is loaded anew.")
            self.wake()
            return
        old, self._house = self._house, self._build(self._house.spec)
        self._house.supervisor.start()
        await self._leave(old)

    def limit(self, limits: wire.Limits) -> None:
        """Let it do with less, or with as much as was planned again: this engine and all that follow."""
        self._limits = limits
        for house in self._houses:
            house.limit(limits)

    def rest(self, reason: str, *, until_asked: bool = False) -> None:
        """Give the model's memory back until `wake`, or until somebody asks for an answer."""
        if until_asked and (self._trial is not None or len(self._houses) > 1):
            return  # nobody asks one that is still being loaded
        for house in self._houses:
            house.supervisor.rest(reason, until_asked=until_asked)

    def wake(self) -> None:
        """Load the model again, smaller where there is less memory now."""
        for house in self._houses:
            house.supervisor.wake()

    async def ready(self) -> wire.Ready:
        """Wait until a model answers. Raises ModelUnavailable where waiting would not help."""
        while True:
            house = self._house
            try:
                return await house.supervisor.ready()
            except ModelUnavailable:
                if self._trial is not None:
                    await self._trial.wait()
                elif house is self._house:
                    raise

    # ── another model ────────────────────────────────────────────────────────────────────────────

    async def move_in(self, spec: EngineSpec) -> wire.Ready:
        """Load another model beside this one. Once it answers, requests are its; the old one ends with its answers.

        Raises ModelUnavailable where it cannot be used; then nothing has changed.
        """
        new = self._build(spec)
        try:
            new.supervisor.start()
            ready = await new.supervisor.ready()
        except BaseException:
            await self._leave(new)
            raise
        old, self._house = self._house, new
        self._tell(new, new.state)
        task = asyncio.create_task(self._move_out(old))
        self._moving_out.add(task)
        task.add_done_callback(self._moving_out.discard)
        return ready

    async def quiet(self) -> None:
        """Wait until no answer is computed, or waits for the engine to come back."""
        await asyncio.gather(*(house.empty.wait() for house in self._houses))

    async def replace(self, spec: EngineSpec) -> wire.Ready:
        """Load another model where both together do not fit: after the last answer, while the caller lets nobody in.

        Raises ModelUnavailable where it cannot be used; then the old one is being loaded again.
        """
        old = self._house
        await self.quiet()
        self._trial = asyncio.Event()
        try:
            await self._leave(old)
            self._house = new = self._build(spec)
            try:
                new.supervisor.start()
                return await new.supervisor.ready()
            except BaseException:
                self._house = self._build(old.spec)
                await self._leave(new)
                self._house.supervisor.start()
                raise
        finally:
            self._trial.set()
            self._trial = None

    def _build(self, spec: EngineSpec) -> House:
        house = House(spec, self._ration, self._ids, self._tell)
        house.limits = self._limits
        self._houses.append(house)
        return house

    async def _move_out(self, house: House) -> None:
        await house.empty.wait()
        await self._leave(house)

    async def _leave(self, house: House) -> None:
        await house.leave(LEAVE_SECONDS)
        self._houses.remove(house)

    def _tell(self, house: House, state: EngineState) -> None:
        """Only of the engine that answers, and not that one failed or left whose place another takes."""
        tried = self._trial is not None and state.phase in (Phase.FAILED, Phase.STOPPED)
        if house is self._house and not tried:
            for watcher in list(self._watchers):
                watcher(state)

    # ── answers ──────────────────────────────────────────────────────────────────────────────────

    async def generate(
        self,
        turns: tuple[wire.Turn, ...],
        *,
        max_tokens: int,
        stop: tuple[str, ...] = (),
        sampling: wire.Sampling = DEFAULT_SAMPLING,
        extras: Extras = NO_EXTRAS,
        said: Said = NOTHING_SAID,
        conversation: str = "",
    ) -> AsyncGenerator[Event | Paused, None]:
        """Answer a conversation, after what was `said` already. Closing the generator cancels within one step.

        `conversation` names one that may be kept on disk until it is forgotten.

        Where the engine dies the answer goes on in the next one, after a `Paused`. Raises PromptTooLong, BadRequest,
        ModelUnavailable, and EngineLost once the engine died again and again with this request alone.
        """
        house, state = self._house, self.state
        if state.phase is not Phase.READY:
            raise ModelUnavailable(state.reason or "The model is not loaded.", state.hint)
        id = next(self._ids)
        request = wire.Generate(id, turns, max_tokens, stop, sampling, extras, said, conversation)
        async with aclosing(house.generate(request)) as events:
            async for event in events:
                yield event

    async def ask(self, question: Question, kind: type[T]) -> T:
        """Ask for something that needs no slot, told as `kind`; a model at rest is loaded for it.

        Raises BadRequest, Busy, ModelUnavailable, EngineLost.
        """
        if self._asking >= QUESTIONS:
            raise Busy("Too many questions about the model wait.", ASK_SECONDS)
        self._asking += 1
        try:
            async with asyncio.timeout(ASK_SECONDS):
                await self.ready()
                question = msgspec.structs.replace(question, id=next(self._ids))
                told = await self._house.ask(question)
        except TimeoutError as error:
            reason = self.state.reason or "The model has no time to answer this."
            raise ModelUnavailable(reason, self.state.hint) from error
        finally:
            self._asking -= 1
        if not isinstance(told, kind):
            raise TypeError(f"{type(told).__name__} answers another question")
        return told

    async def forget(self, *, conversation: str = "", system: str = "") -> None:
        """A conversation or a system prompt is deleted: when this returns nothing of it is on disk, nor will be."""
        for house in list(self._houses):
            await house.forget(conversation=conversation, system=system)

    async def forget_all_but(self, conversations: Iterable[str]) -> None:
        """Keep nothing on disk of conversations that are no more; to be called before it is started."""
        await self._house.forgetting.forget_all_but(conversations)

    def typing(self, key: str, turns: tuple[wire.Turn, ...], conversation: str = "") -> None:
        """Somebody is typing the last of these turns: compute ahead while nothing else is to do. None: not any more."""
        supervisor = self._house.supervisor
        if turns:
            supervisor.asked()
        if supervisor.state.phase is Phase.READY:
            supervisor.send(wire.Typing(key, turns, conversation))
