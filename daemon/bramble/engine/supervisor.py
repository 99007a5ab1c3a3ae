"""Keeps one engine process alive: spawns it, listens, notices when it dies or hangs, starts it again with back-off."""

import asyncio
import contextlib
import logging
import signal
from collections import deque
from collections.abc import Callable

import msgspec

from bramble.engine import wire
from bramble.engine.process import EngineProcess, EngineSpec, describe, together
from bramble.engine.pulse import Pulse
from bramble.engine.state import Bulletin, EngineState, Phase, Ration
from bramble.errors import EngineLost, EnginePutAway

__all__ = ["EngineSpec", "EngineState", "Phase", "Ration", "Supervisor"]

log = logging.getLogger("bramble.engine")

BACK_OFF = (0.0, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
HEALTHY_SECONDS = 60.0
"""After this long without a death, or after an answer that was finished, the back-off starts over."""
LOAD_DEATHS = 3
"""Deaths in a row before readiness that make a model count as failed; then it is tried once a minute."""
FAILED_RETRY, AWAY_RETRY = 60.0, 5.0
"""Seconds until a model that failed is tried again, and one whose other machines were away."""
REST_SECONDS, KEEP_SECONDS = 1.0, 3.0
"""How long an engine that is put away may take to leave by itself: for want of memory, and where there is time to keep
what is hot."""


class Supervisor:
    """Runs `spec` for ever. `on_events` gets every batch of events, `on_loss` is told when all requests are lost."""

    def __init__(
        self,
        spec: EngineSpec,
        *,
        on_events: Callable[[tuple[wire.Event, ...]], None],
        on_loss: Callable[[EngineLost], None],
        ration: Ration | None = None,
    ) -> None:
        self._spec, self._ration = spec, ration
        self._on_events, self._on_loss = on_events, on_loss
        self._process: EngineProcess | None = None
        self._task: asyncio.Task[None] | None = None
        self._hopeless = self._put_away = self._until_asked = self._again = False
        self._awake = asyncio.Event()
        self._awake.set()
        self._needed = self._code = 0
        self._ending: asyncio.Task[None] | None = None
        self._useful = False
        self._bulletin = Bulletin()
        self.last_words: deque[str] = deque(maxlen=50)

    # ── for the client ───────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Begin supervising in a task of its own."""
        self._task = asyncio.create_task(self._supervise(), name="engine-supervisor")

    async def stop(self, grace: float, *, keep: bool = True) -> None:
        """End the process within `grace` seconds, by force after that. Whether it may `keep` what is hot."""
        self._bulletin.tell(EngineState(Phase.STOPPED, reason="The appliance is shutting down."))
        self._lose("The appliance is shutting down.")
        if self._process is not None:
            await self._process.end(grace, keep=keep)
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def rest(self, reason: str, *, until_asked: bool = False) -> None:
        """Give the engine's memory back until `wake`, or until somebody asks for it. Running answers go on then."""
        if self._finished:
            return
        if self.state.phase is Phase.RESTING:
            self._until_asked = self._until_asked and until_asked
            return
        log.info("the engine is put away: %s", reason)
        self._put_away, self._until_asked = True, until_asked
        self._awake.clear()
        self._bulletin.update(phase=Phase.RESTING, fraction=0.0, reason=reason, hint="", model=None)
        self._on_loss(EnginePutAway(reason))
        if self._process is not None:
            grace = KEEP_SECONDS if until_asked else REST_SECONDS
            self._ending = asyncio.create_task(self._process.end(grace, keep=until_asked))

    def wake(self) -> None:
        """Load the model again, where it was put away."""
        if self.state.phase is Phase.RESTING:
            if self._ration is not None:
                self._ration.relax()
            self._bulletin.update(phase=Phase.STARTING, reason="")
            self._awake.set()

    def asked(self) -> None:
        """Somebody wants an answer, or soon will."""
        if self._until_asked:
            self.wake()

    def send(self, message: wire.ToEngine) -> None:
        """Queue a message for the engine; one that died meanwhile is told nothing."""
        if self._process is not None:
            self._process.send(message)

    @property
    def state(self) -> EngineState:
        """How it is now."""
        return self._bulletin.state

    def watch(self, callback: Callable[[EngineState], None]) -> Callable[[], None]:
        """Call back on every change of state; returns what ends that."""
        return self._bulletin.watch(callback)

    async def ready(self) -> wire.Ready:
        """Wait for readiness. Raises ModelUnavailable once the model has failed or the engine is stopped."""
        self.asked()
        return await self._bulletin.ready()

    @property
    def _finished(self) -> bool:
        return self._hopeless or self.state.phase is Phase.STOPPED

    # ── one life after another ───────────────────────────────────────────────────────────────────

    async def _supervise(self) -> None:
        deaths = load_deaths = 0
        clock = asyncio.get_running_loop().time
        while not self._finished:
            await self._awake.wait()
            born = clock()
            was_ready = await self._live()
            if self._put_away:
                deaths = load_deaths = 0
                continue
            healthy = self._useful or clock() - born > HEALTHY_SECONDS
            deaths = 1 if healthy else deaths + 1
            load_deaths = 0 if was_ready else load_deaths + 1
            if self._finished:
                return
            if self._again:
                load_deaths = 0
                await asyncio.sleep(AWAY_RETRY)
            elif self._needed:
                load_deaths = 0
                await self._wait_for_memory()
            elif load_deaths >= LOAD_DEATHS:
                self._give_up()
                await asyncio.sleep(FAILED_RETRY)
            else:
                await asyncio.sleep(BACK_OFF[min(deaths, len(BACK_OFF)) - 1])

    async def _live(self) -> bool:
        """One process from birth to death. Returns whether it ever became ready."""
        self._useful = self._put_away = self._until_asked = self._again = False
        self._needed = 0
        process = self._process = await EngineProcess.spawn(self._spec)
        pulse = Pulse(process)
        self._bulletin.update(pid=process.pid)
        if self._put_away:  # meanwhile
            process.kill()
        process.send(self._order())
        try:
            await together(self._listen(process, pulse), pulse.watch(), self._hear(process))
        finally:
            if not process.ended:
                process.kill()
        self._code = code = await process.wait()
        self._process = None
        was_ready = self.state.phase is Phase.READY
        if self._put_away:
            self._bulletin.update(pid=None)
        elif not (self._finished or self._needed or self._again):
            self._mourn(code, hung=pulse.lost)
        return was_ready

    def _order(self) -> wire.Load | wire.LoadEmbedding:
        """What to load, bounded by what memory there is now."""
        load = self._spec.load
        return (
            load
            if self._ration is None or isinstance(load, wire.LoadEmbedding)
            else self._ration.order(load)
        )

    async def _wait_for_memory(self) -> None:
        """Until there may be room for the model: there was too little, and what others hold changes."""
        if self._ration is not None:
            self._ration.relax()
        while True:
            await asyncio.sleep(FAILED_RETRY)
            load = self._order()
            if not isinstance(load, wire.Load) or load.memory == 0 or load.memory >= self._needed:
                return

    async def _listen(self, process: EngineProcess, pulse: Pulse) -> None:
        try:
            async for message in process.messages():
                pulse.feel(message)
                self._handle(message)
        except (ValueError, msgspec.DecodeError) as error:
            log.error("the engine sent something that is not a message (%s); ending it", error)
        process.kill()

    async def _hear(self, process: EngineProcess) -> None:
        async for line in process.stderr_lines():
            self.last_words.append(line)
            log.warning("engine: %s", line)

    def _handle(self, message: wire.ToDaemon) -> None:
        if self._put_away:
            return
        match message:
            case wire.Events(events):
                self._useful = self._useful or any(isinstance(e, wire.Done) for e in events)
                self._on_events(events)
            case wire.Pong():
                pass  # `pulse` felt it
            case wire.Loading(fraction):
                if self.state.phase is not Phase.FAILED:
                    self._bulletin.update(phase=Phase.LOADING, fraction=fraction)
            case wire.Ready():
                log.info(
                    "ready: %s, %d tokens of context, %d slots, %d threads%s, loaded in %.1f s",
                    message.name,
                    message.context,
                    message.slots,
                    message.threads,
                    f" ({message.kernels})" if message.kernels else "",
                    message.load_seconds,
                )
                for note in message.notes:
                    log.warning("%s", note)
                self._bulletin.update(
                    phase=Phase.READY, fraction=1.0, reason="", hint="", model=message
                )
            case wire.Unusable():
                self._needed, self._again = message.needed, message.again
                self._hopeless = not (message.needed or message.again)
                self._fail(message.message, message.hint)

    # ── saying what happened ─────────────────────────────────────────────────────────────────────

    def _mourn(self, code: int, *, hung: bool) -> None:
        how = "stopped answering" if hung else f"ended unexpectedly ({describe(code)})"
        why = "" if hung else self._why(code)
        log.error("the engine process %s; starting it again. %s", how, why)
        self._lose(why or f"The model process {how}; it is being started again.")
        if self.state.phase is not Phase.FAILED:
            self._bulletin.update(
                phase=Phase.RESTARTING,
                fraction=0.0,
                reason=why or f"The model process {how}; starting it again.",
                model=None,
                pid=None,
                restarts=self.state.restarts + 1,
            )

    def _why(self, code: int) -> str:
        """The sentence for an engine that was ended by something that is known; else nothing."""
        load = self._spec.load
        if code == -signal.SIGABRT and isinstance(load, wire.Load) and load.rpc:
            return "The connection to a machine that computes a part of the model broke."
        if code == -signal.SIGBUS:
            return "The model's file was changed, or it cannot be read any more."
        if code != -signal.SIGKILL or self._ration is None:
            return ""
        return self._ration.killed()

    def _give_up(self) -> None:
        """It died at every load."""
        if self._code == -signal.SIGILL:
            self._fail(
                "This release is for another kind of processor: it uses instructions that this one lacks.",
                "Install one that was built for it; deploy/wheels/build.sh --portable makes one for any PC.",
            )
        else:
            self._fail("The model could not be loaded", "See the log; a smaller model may fit.")

    def _fail(self, reason: str, hint: str) -> None:
        words = (
            f" Its last words: {self.last_words[-1]}"
            if self.last_words and "." not in reason
            else ""
        )
        reason = reason if reason.endswith(".") else f"{reason}.{words}"
        log.error("%s %s", reason, hint)
        self._bulletin.update(phase=Phase.FAILED, reason=reason, hint=hint, model=None, pid=None)

    def _lose(self, message: str) -> None:
        self._on_loss(EngineLost(message, "Send the message again."))
