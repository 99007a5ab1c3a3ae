"""Builds the parts and runs them until somebody says stop. Start and stop are two lists; stop is start reversed."""

import asyncio
import logging
import os
import resource
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
from aiohttp import web

from bramble import affinity, systemd
from bramble.access.buckets import Buckets
from bramble.access.keeper import Keeper
from bramble.board import delegation
from bramble.board.files import MACHINE
from bramble.board.watch import Watch
from bramble.budget import Budget
from bramble.chat.file import DATABASE, DiskFull
from bramble.chat.store import Store
from bramble.chat.turn import Chat
from bramble.config import Config, Sources, thread_counts
from bramble.control import Control
from bramble.engine.client import Engine, EngineSpec, EngineState, Phase
from bramble.engine.embedder import Embedder
from bramble.engine.wire import Load, LoadEmbedding
from bramble.errors import ModelUnavailable, NotFound
from bramble.guards import Guards
from bramble.idle import Idle
from bramble.journal import Journal
from bramble.models.catalogue import catalogue
from bramble.models.choice import chosen
from bramble.models.fetches import Fetches
from bramble.models.library import resolve
from bramble.scheduler import Scheduler
from bramble.server.admin.machine import MachineRoom
from bramble.server.admin.models import ModelsRoom
from bramble.server.admin.people import PeopleRoom
from bramble.server.admin.settings import SettingsRoom
from bramble.server.admin.state import StateRoom
from bramble.server.app import Room, application
from bramble.server.door import Door
from bramble.server.listen import listen, with_deadline
from bramble.server.metrics import Metrics
from bramble.server.ollama.pull import Pulls
from bramble.server.status import Status
from bramble.survey import alternatives, kept_folder, tuning_file
from bramble.swap import Swapper
from bramble.takeover import Takeover
from bramble.tls import certificate

log = logging.getLogger("bramble")

NO_SOURCES = Sources()
HTTP_SECONDS = 1.0
ENGINE_SECONDS, KEEP_SECONDS = 1.0, 4.0
"""How long connections and the engine may take to end. The engine may write for longer what is still hot, where this
leaves the whole stop within `STOP_SECONDS`."""
STOP_SECONDS = 8.5
LOOK_SECONDS = 5.0
LINGER_SECONDS = 3.0
"""How long the rest of a body is taken whose request was answered; aiohttp's 10 s are a gift to who dribbles."""
OTHER_FILES = 256
"""Files, sockets and pipes that are open beside connections."""


EMBEDDING_NICER = 10
"""How much nicer embedding is than chatting: it gets a tenth of a core that both want."""
EMBEDDING_SPIN = 1000


class Daemon:
    """All parts of one Bramble, made to be started and stopped once. `root` is where the board is looked at."""

    def __init__(
        self,
        config: Config,
        spec: EngineSpec,
        listeners: Sequence[socket.socket],
        root: Path = MACHINE,
        sources: Sources = NO_SOURCES,
    ) -> None:
        self._config, self._sources = config, sources
        self.journal = Journal()
        self.store = Store(config.state_dir / DATABASE)
        self.embedder = embedder(config, spec.group)
        budget = Budget(config.guard, processes=self._all_processes, root=root)
        self.engine = Engine(spec, budget)
        self.scheduler = Scheduler(
            self.engine,
            slots=config.engine.slots,
            waiting=config.queue.waiting,
            per_person=config.queue.per_person,
        )
        self._cores = spec.load.cores if isinstance(spec.load, Load) else ()
        cores = len(self._cores) or os.cpu_count() or 1
        guards = Guards(self.engine, self.scheduler, budget, self._processes)
        self.watch = Watch(config.guard, cores=cores, needs=guards.needs, root=root)
        self.watch.watch(guards.carry_out)
        self.fetches = Fetches(config)
        self.swapper = Swapper(
            config,
            self.engine,
            self.scheduler,
            budget,
            lambda name: _like(
                spec, engine_spec(config, resolve(name, config.models_dir), name), self._cores
            ),
        )
        self.takeover = Takeover(config, self.fetches, self.swapper)
        self._idle = Idle(self.engine, self.scheduler, config.engine.idle_unload)
        self.engine.watch(self._fit)
        per_minute = config.server.rates.answers
        pace = Buckets(per_minute, 60 / per_minute)
        self.chat = Chat(
            config.chat, config.cache, config.store, self.store, self.engine, self.scheduler, pace
        )
        self.control = Control(config.state_dir, {"restore": self._restore})
        self.tls = certificate(config.server.tls)
        self.keeper = Keeper(config.state_dir)
        self.status = Status(
            self.engine,
            self.scheduler,
            self.watch,
            self.store,
            config.engine,
            self.takeover,
            self.swapper,
        )
        metrics = Metrics(self.engine, self.scheduler, self.watch, self.embedder)
        self.web = application(
            config,
            self.chat,
            self.status,
            self.embedder,
            metrics,
            self.keeper,
            self.engine,
            Pulls(config, self.fetches, self.swapper),
            self._admin_rooms(),
        )
        self._http = web.AppRunner(
            self.web,
            access_log=None,
            handler_cancellation=True,  # a client that leaves cancels what it asked for
            shutdown_timeout=HTTP_SECONDS,
            lingering_time=LINGER_SECONDS,
        )
        self._listeners = listeners
        self._limits = config.server.limits
        self._drain = config.server.drain

    async def start(self) -> None:
        """Returns when the page can be opened; the model loads meanwhile. Raises CannotOpen."""
        logging.getLogger().addHandler(self.journal)
        await self.store.open()
        with suppress(
            DiskFull
        ):  # nothing is known of them before there is room; the next start tidies up
            await self.engine.forget_all_but(await self.store.conversations())
        self.watch.start()
        await self.engine.start()
        await self._http.setup()
        assert self._http.server is not None  # `setup` made it
        self._door = Door(self._limits, self._http.server)
        await self._door.open(self._listeners, self.tls.context if self.tls else None)
        self._looking = asyncio.create_task(self._look_around())
        self.chat.start()
        await self.control.start()
        self._watchdog = asyncio.create_task(systemd.feed_watchdog(self.status.is_moving))
        self.status.watch(self._tell_systemd)
        self._tell_systemd()
        self.takeover.start()
        systemd.notify("READY=1")

    async def stop(self) -> None:
        """Running answers may go on for `server.drain` seconds; then everything ends."""
        began = asyncio.get_running_loop().time()
        log.info("stopping; running answers may take %g s", self._drain)
        systemd.notify("STOPPING=1")
        self._watchdog.cancel()
        self._looking.cancel()
        await self.control.stop()
        self._door.close()
        await self.takeover.stop()
        await self.fetches.close()
        await self.chat.drain(self._drain)
        await self._http.cleanup()
        if self.embedder is not None:
            await self.embedder.stop()
        self._idle.stop()
        await self.engine.stop(self._engine_seconds(began))
        await self.watch.stop()
        await asyncio.to_thread(self.keeper.close)
        await self.store.close()
        if self._cores:
            affinity.keep_to(self._cores)
        logging.getLogger().removeHandler(self.journal)

    def _admin_rooms(self) -> tuple[Room, ...]:
        config = self._config
        power = config.server.power
        return (
            StateRoom(config, self.status, self.engine, self.watch, self.swapper),
            ModelsRoom(config, self.fetches, self.swapper),
            PeopleRoom(self.keeper),
            SettingsRoom(config, self._sources, self._apply),
            MachineRoom(self.engine, self.scheduler, self.journal, power=power),
        )

    def _apply(self, config: Config) -> None:
        """What counts at once of changed settings: those of `config.page.LIVE`."""
        self.chat.settings = config.chat
        self.scheduler.bound(waiting=config.queue.waiting, per_person=config.queue.per_person)
        logging.getLogger().setLevel(config.log_level.upper())

    async def _look_around(self) -> None:
        """What was changed by `bramble` in another process."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.keeper.look()
            self.swapper.look()
            self._renew()

    def _renew(self) -> None:
        """Certificates are replaced while Bramble runs, every few months."""
        try:
            if self.tls is not None and self.tls.refresh():
                log.info("the new certificate is used from now on")
        except OSError as error:
            log.error("the new certificate cannot be used (%s); the old one is", error)

    def _engine_seconds(self, began: float) -> float:
        """How long the engine may take to leave a stop that began then: one that is loading has nothing to write."""
        left = STOP_SECONDS - (asyncio.get_running_loop().time() - began)
        ready = self.engine.state.phase is Phase.READY
        return min(max(left, ENGINE_SECONDS), KEEP_SECONDS) if ready else ENGINE_SECONDS

    def _processes(self) -> tuple[int, ...]:
        """The ids of all that are Bramble but the engine."""
        embedding = self.embedder.pid if self.embedder is not None else None
        return (os.getpid(), *((embedding,) if embedding else ()))

    def _all_processes(self) -> tuple[int, ...]:
        """Those, and the engines: one that is loaded beside another has what that leaves."""
        return (*self._processes(), *self.engine.pids)

    def _fit(self, state: EngineState) -> None:
        """The engine may have room for fewer answers at once than the settings ask for, and decodes on some cores."""
        if state.model is not None:
            self.scheduler.resize(state.model.slots)
            if self._cores:
                affinity.keep_to(affinity.own_cores(self._cores, state.model.threads))

    async def _restore(self) -> str:
        await self.chat.restore()
        return "Open pages show them."

    def _tell_systemd(self) -> None:
        systemd.notify(f"STATUS={self.status.sentence()}")


async def serve(config: Config, model: Path, sources: Sources) -> int:
    """Run Bramble with this model until SIGTERM or SIGINT; returns the exit status.

    Raises CannotListen, CannotOpen.
    """
    _log_at(config.log_level)
    _allow_files(config.server.limits.connections)
    leave = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, leave.set)
    listeners = _listeners(config)
    spec = engine_spec(config, model, chosen(config), delegation.divide())
    daemon = Daemon(config, spec, listeners, sources=sources)
    await daemon.start()
    scheme = "https" if daemon.tls else "http"
    print(f"Bramble is at {_addresses(scheme, config.server.host, listeners[0])}", flush=True)
    await _tell_setup_code(daemon)
    await leave.wait()
    await daemon.stop()
    return 0


async def _tell_setup_code(daemon: Daemon) -> None:
    """Who reads the terminal or the log may become the admin; without a code everything else goes on all the same."""
    try:
        code = await daemon.keeper.setup_code()
    except OSError as error:
        log.error("there is no setup code, because it cannot be written: %s", error.strerror)
        return
    if code:
        log.warning("no admin password is set yet; the setup code is %s", code)
        print(f"To set the admin password, open it and give the setup code {code}", flush=True)


def engine_spec(
    config: Config, model: Path, name: str = "", group: Path | None = None
) -> EngineSpec:
    """How the engine is started with this file; `name` is what it is called in `bramble models list`.

    It runs in the control group for engines where there is one.
    """
    engine = config.engine
    known = catalogue(config.models_dir)
    threads = thread_counts(engine.threads)
    load = Load(
        model=str(model),
        context=engine.context,
        slots=engine.slots,
        threads=threads.decode,
        prefill_threads=threads.prefill,
        tuning=str(tuning_file(config.state_dir)),
        cores=tuple(sorted(os.sched_getaffinity(0))),
        batch=engine.batch,
        max_step_ms=engine.max_step_ms,
        draft=engine.draft,
        aside=engine.aside << 20,
        kept=str(kept_folder(config.state_dir)),
        kept_bytes=engine.kept << 20,
        nice=engine.nice,
        ionice=engine.ionice,
        name=known[name].title if name in known else "",
        alternatives=alternatives(),
    )
    return EngineSpec(load, engine.spin, group=group)


def _like(first: EngineSpec, spec: EngineSpec, cores: tuple[int, ...]) -> EngineSpec:
    """Started as the first engine was, and on all the cores of then: this process keeps to fewer by now."""
    load = msgspec.structs.replace(spec.load, cores=cores)
    return msgspec.structs.replace(first, load=load)


def embedder(config: Config, group: Path | None = None) -> Embedder | None:
    """What makes vectors of texts, where a model for that is named. A missing file hinders nobody's chat."""
    settings = config.embedding
    if not settings.model:
        return None
    nice = min(config.engine.nice + EMBEDDING_NICER, 19)

    def spec() -> EngineSpec:
        try:
            file = resolve(settings.model, config.models_dir)
        except NotFound as error:
            raise ModelUnavailable(
                error.message, "Set embedding.model to the GGUF file of an embedding model."
            ) from error
        load = LoadEmbedding(
            str(file), settings.context, settings.threads, nice, name, config.engine.ionice
        )
        return EngineSpec(load, EMBEDDING_SPIN, group=group)

    name = Path(settings.model).name.removesuffix(".gguf")
    return Embedder(spec, name=name, idle_unload=settings.idle_unload)


def _listeners(config: Config) -> list[socket.socket]:
    """The sockets that systemd passed, else one of our own."""
    passed = [with_deadline(each) for each in systemd.passed_sockets()]
    listeners = passed or [listen(config.server.host, config.server.port)]
    return [*listeners, *_for_ollama(config, listeners)]


def _for_ollama(config: Config, listeners: Sequence[socket.socket]) -> list[socket.socket]:
    """The second port, where one is wanted and not open already."""
    port = config.server.ollama_port
    if port == "none" or any(each.getsockname()[1] == port for each in listeners):
        return []
    return [listen(config.server.host, port, "server.ollama_port")]


def _addresses(scheme: str, host: str, listener: socket.socket) -> str:
    port = listener.getsockname()[1]
    if host != "*":
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/"
    name = socket.gethostname().partition(".")[0]
    return f"{scheme}://127.0.0.1:{port}/ (and {scheme}://{name}.local:{port}/ on your network)"


def _allow_files(connections: int) -> None:
    """Room for every connection: what a service may open at first is often 1,024 files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    need = connections + OTHER_FILES
    if soft < need:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(need, hard), hard))


def _log_at(level: str) -> None:
    journal = systemd.journal()
    plain = "%(message)s" if journal else "%(asctime)s %(levelname)s %(message)s"
    handler = journal or logging.StreamHandler()
    logging.basicConfig(level=level.upper(), format=plain, handlers=[handler])
    # aiohttp logs a traceback for each stranger who speaks no HTTP; our own faults are logged by `server.errors`.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
