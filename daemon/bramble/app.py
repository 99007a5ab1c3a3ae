"""Builds the parts, starts and stops them. Start and stop are two lists; stop is start reversed."""

import asyncio
import logging
import os
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from aiohttp import web

from bramble import __version__, affinity, systemd
from bramble.access.buckets import Buckets
from bramble.access.keeper import Keeper
from bramble.board.files import MACHINE
from bramble.board.watch import Watch
from bramble.budget import Budget
from bramble.chat.file import DATABASE, DiskFull
from bramble.chat.store import Store
from bramble.chat.turn import Chat
from bramble.config import Config, Sources
from bramble.control import Control
from bramble.engine.client import Engine, EngineSpec, EngineState, Phase
from bramble.engine.wire import Load
from bramble.errors import ConfigError, ModelUnavailable
from bramble.guards import Guards
from bramble.idle import Idle
from bramble.journal import Journal
from bramble.models.fetches import Fetches
from bramble.models.library import resolve
from bramble.scheduler import Scheduler
from bramble.server.admin.copies import CopyRoom
from bramble.server.admin.machine import MachineRoom
from bramble.server.admin.models import ModelsRoom
from bramble.server.admin.people import PeopleRoom
from bramble.server.admin.settings import SettingsRoom
from bramble.server.admin.state import StateRoom
from bramble.server.admin.update import UpdateRoom
from bramble.server.app import Room, application
from bramble.server.door import Door
from bramble.server.metrics import Metrics
from bramble.server.ollama.pull import Pulls
from bramble.server.protocol import protocols
from bramble.server.status import ANSWERING, Status
from bramble.specs import embedder, engine_spec, like
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
        self._config, self._root = config, root
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
            lambda name: like(
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
        self.control = Control(config.state_dir, {"restore": self._restore, "ready": self._ready})
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
        self._settings = SettingsRoom(config, sources, self._apply)
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
            handler_cancellation=True,  # a client that leaves cancels what it asked for
            shutdown_timeout=HTTP_SECONDS,
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
        self._door = Door(self._limits, protocols(self._http.server))
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
        await self._door.close()
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

    def reload(self) -> None:
        """Read configuration and certificate again, beside everything that runs; the log says what came of it."""
        self._reloading = asyncio.create_task(self._reload())

    async def _reload(self) -> None:
        systemd.notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            waiting = await self._settings.reread()
        except ConfigError as error:
            log.error(
                "the configuration was not read again, all stays as it was: %s", error.message
            )
        else:
            later = f"; after the next start also {', '.join(waiting)}" if waiting else ""
            log.info("the configuration was read again%s", later)
        self._renew()
        systemd.notify("READY=1")

    def _admin_rooms(self) -> tuple[Room, ...]:
        config = self._config
        power = config.server.power
        return (
            StateRoom(config, self.status, self.engine, self.watch, self.swapper),
            ModelsRoom(config, self.fetches, self.swapper),
            PeopleRoom(self.keeper),
            self._settings,
            CopyRoom(config.state_dir),
            UpdateRoom(config.state_dir, self._root, config.models.local_hosts),
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

    async def _ready(self) -> str:
        """The version that answers: what an update waits for."""
        if self.engine.state.phase not in ANSWERING:
            raise ModelUnavailable("No model answers yet.")
        return __version__

    async def _restore(self) -> str:
        await self.chat.restore()
        return "Open pages show them."

    def _tell_systemd(self) -> None:
        systemd.notify(f"STATUS={self.status.sentence()}")
