"""Downloads that run beside everything else, one after another: how far each is, what became of it, and its end."""

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from bramble.config import Config
from bramble.errors import BadRequest, BrambleError, ModelUnavailable, NotFound
from bramble.models import download
from bramble.models.catalogue import find
from bramble.models.own import fetch_own, file_name, is_address

log = logging.getLogger("bramble.models")

TELL_SECONDS = 0.5
"""How often progress is told."""
WAITING = 8
KEPT = 16
"""Downloads that may wait, and ends that are remembered."""


@dataclass(eq=False)
class Fetch:
    """One download. `done` of `size` bytes are here; `over` once it ended, well unless `error` says why not."""

    name: str
    sha256: str = ""
    done: int = 0
    size: int = 0
    over: bool = False
    error: BrambleError | None = None
    stop: threading.Event = field(default_factory=threading.Event)


class Fetches:
    """Fetches models into the library. `watch` tells that something moved."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.all: dict[str, Fetch] = {}
        self._queue: asyncio.Queue[Fetch] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._watchers: list[Callable[[], None]] = []

    def watch(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back when any of them moved; returns what ends that."""
        self._watchers.append(callback)
        return lambda: self._watchers.remove(callback)

    def start(self, name: str, sha256: str = "") -> Fetch:
        """Fetch a catalogue model, or the file at an address, once. Raises NotFound, BadRequest."""
        if (known := self.all.get(name)) and not known.over:
            return known
        if is_address(name):
            file_name(name)
        else:
            find(name, self._config.models_dir)
        if self._queue.qsize() >= WAITING:
            raise BadRequest(f"{WAITING} models are waiting to be fetched already.")
        fetch = Fetch(name, sha256)
        self.all.pop(name, None)
        self.all[name] = fetch
        self._forget()
        self._queue.put_nowait(fetch)
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        return fetch

    def cancel(self, name: str) -> None:
        """End one where it is; the next one goes on there. Raises NotFound."""
        fetch = self.all.get(name)
        if fetch is None or fetch.over:
            raise NotFound(f"{name} is not being fetched.")
        fetch.stop.set()

    async def end(self, fetch: Fetch) -> None:
        """Wait until it is over. Raises what ended it."""
        moved = asyncio.Event()
        unwatch = self.watch(moved.set)
        try:
            while not fetch.over:
                moved.clear()
                await moved.wait()
        finally:
            unwatch()
        if fetch.error is not None:
            raise fetch.error

    async def close(self) -> None:
        """End them all; what is here stays for the next start."""
        for fetch in self.all.values():
            fetch.stop.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            fetch = await self._queue.get()
            over = asyncio.Event()
            # Not the loop's own threads: at a stop nobody waits for a server that says nothing for half a minute.
            work = partial(self._fetch, fetch, partial(loop.call_soon_threadsafe, over.set))
            threading.Thread(target=work, name="fetch", daemon=True).start()
            while not fetch.over:
                with suppress(TimeoutError):
                    await asyncio.wait_for(over.wait(), TELL_SECONDS)
                    break
                self._tell()
            self._tell()  # whoever waits for the end hears of it, also where it came between two looks

    def _fetch(self, fetch: Fetch, over: Callable[[], object]) -> None:
        """In a thread of its own: whatever happens, it is over afterwards."""
        try:
            self._bring(fetch)
        except BrambleError as error:
            fetch.error = error
        except Exception:
            log.exception("%s could not be fetched", fetch.name)
            fetch.error = ModelUnavailable(f"{fetch.name} could not be fetched.", "See the log.")
        fetch.over = True
        with suppress(RuntimeError):  # the loop has ended meanwhile
            over()

    def _bring(self, fetch: Fetch) -> None:
        def progress(done: int, size: int) -> None:
            fetch.done, fetch.size = done, size

        folder, hosts = self._config.models_dir, self._config.models.local_hosts
        if is_address(fetch.name):
            fetch_own(
                fetch.name,
                folder,
                progress,
                sha256=fetch.sha256,
                local_hosts=hosts,
                stop=fetch.stop,
            )
        else:
            model = find(fetch.name, folder)
            download.fetch(model, folder, progress, local_hosts=hosts, stop=fetch.stop)

    def _tell(self) -> None:
        for watcher in list(self._watchers):
            watcher()

    def _forget(self) -> None:
        over = [name for name, fetch in self.all.items() if fetch.over]
        for name in over[:-KEPT]:
            del self.all[name]
