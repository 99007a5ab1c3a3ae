"""/api/admin/models: what there is and what fits, fetching with progress, the one that answers, and deleting."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

from bramble.board import memory
from bramble.config import Config
from bramble.errors import BadRequest, BrambleError, NotFound
from bramble.models import choice
from bramble.models.catalogue import catalogue
from bramble.models.fetches import Fetch, Fetches
from bramble.models.fit import fits
from bramble.models.library import is_present, remove_model
from bramble.models.tuned import all_tuned, is_whole
from bramble.server.audit import audited
from bramble.server.body import read_body
from bramble.server.errors import json_response
from bramble.swap import Swapper

NDJSON = "application/x-ndjson"
Name = Annotated[str, Meta(min_length=1, max_length=2000)]


class Wish(msgspec.Struct):
    """Which model: a name from the list, for a fetch also the https address of a GGUF file and its SHA-256."""

    name: Name
    sha256: Annotated[str, Meta(pattern=r"^([0-9a-f]{64})?$")] = ""


_wish = msgspec.json.Decoder(Wish)


class ModelsRoom:
    """The handlers."""

    def __init__(self, config: Config, fetches: Fetches, swapper: Swapper) -> None:
        self._config, self._fetches, self._swapper = config, fetches, swapper
        self._swapping: set[asyncio.Task[object]] = set()

    def add_to(self, app: web.Application) -> None:
        """Put the routes in."""
        app.router.add_get("/api/admin/models", self.list)
        app.router.add_post("/api/admin/models/fetch", self.fetch)
        app.router.add_post("/api/admin/models/cancel", self.cancel)
        app.router.add_post("/api/admin/models/activate", self.activate)
        app.router.add_delete("/api/admin/models/{name}", self.remove)

    async def list(self, _: web.Request) -> web.Response:
        """GET /api/admin/models."""
        rows = await asyncio.to_thread(lambda: [*self._rows()])
        return json_response(
            {
                "active": self._swapper.name,
                "default": self._config.models.default,
                "swap": self._swapper.last,
                "models": rows,
                "fetches": [_fetch(each) for each in self._fetches.all.values()],
            }
        )

    async def fetch(self, request: web.Request) -> web.StreamResponse:
        """POST /api/admin/models/fetch: 202 at once, or its progress line by line for who accepts NDJSON."""
        wish = await read_body(request, _wish)
        with audited(request, "model.fetch", name=wish.name):
            fetch = self._fetches.start(wish.name, wish.sha256)
        if NDJSON not in request.headers.get("Accept", ""):
            return json_response(_fetch(fetch), 202)
        return await _follow(
            request, self._fetches.watch, lambda: _fetch(fetch), lambda: fetch.over
        )

    async def cancel(self, request: web.Request) -> web.Response:
        """POST /api/admin/models/cancel: what is here of it stays for the next fetch."""
        wish = await read_body(request, _wish)
        with audited(request, "model.cancel", name=wish.name):
            self._fetches.cancel(wish.name)
        return json_response({"name": wish.name})

    async def activate(self, request: web.Request) -> web.StreamResponse:
        """POST /api/admin/models/activate: 202 at once, or how far it is, line by line for who accepts NDJSON."""
        wish = await read_body(request, _wish)
        if not choice.is_here(wish.name, self._config.models_dir):
            raise NotFound(f"The model {wish.name} is not on the disk.", "Fetch it first.")
        with audited(request, "model.activate", name=wish.name):
            if self._swapper.busy:
                raise BadRequest("Another model is being loaded.", "Wait until it answers.")
            task = asyncio.create_task(_quietly(self._swapper.activate(wish.name)))
            self._swapping.add(task)  # it goes on when whoever wanted it closes the page
            task.add_done_callback(self._swapping.discard)
            await asyncio.sleep(0)
        if NDJSON not in request.headers.get("Accept", ""):
            return json_response(self._swapper.last, 202)
        return await _follow(request, self._swapper.watch, lambda: self._swapper.last, task.done)

    async def remove(self, request: web.Request) -> web.Response:
        """DELETE /api/admin/models/{name}."""
        name = request.match_info["name"]
        swap = self._swapper.last
        used = (self._swapper.name, swap.model if swap and self._swapper.busy else "")
        with audited(request, "model.delete", name=name):
            with suppress(NotFound):
                self._fetches.cancel(name)
            freed = await asyncio.to_thread(remove_model, name, self._config.models_dir, used)
        return json_response({"name": name, "freed": freed})

    def _rows(self) -> Iterator[dict[str, Any]]:
        folder, most = self._config.models_dir, memory.read().lowest.most
        for name, model in catalogue(folder).items():
            yield {
                "name": name,
                "title": model.title,
                "about": model.about,
                "about_zh": model.about_zh,
                "licence": model.licence,
                "purpose": model.purpose,
                "size": model.size,
                "fits": fits(model.size, most),
                "here": is_present(model, folder),
                "active": name == self._swapper.name,
            }
        for tuned in all_tuned(folder):
            yield {
                "name": tuned.name,
                "title": f"{tuned.chosen} of {Path(tuned.source).name}",
                "about": tuned.summary,
                "licence": "as the original",
                "purpose": "chat",
                "size": tuned.file_bytes,
                "fits": fits(tuned.file_bytes, most),
                "here": is_whole(tuned, folder),
                "active": tuned.name == self._swapper.name,
            }


async def _quietly(work: Coroutine[object, object, object]) -> None:
    """What went wrong is told by `Swapper.last`."""
    with suppress(BrambleError):
        await work


def _fetch(fetch: Fetch) -> dict[str, Any]:
    error = fetch.error
    return {
        "name": fetch.name,
        "done": fetch.done,
        "size": fetch.size,
        "over": fetch.over,
        "error": {"message": error.message, "hint": error.hint} if error else None,
    }


async def _follow(
    request: web.Request,
    watch: Callable[[Callable[[], None]], Callable[[], None]],
    look: Callable[[], object],
    over: Callable[[], bool],
) -> web.StreamResponse:
    """A line of JSON for every change until it is over; who leaves ends nothing."""
    response = web.StreamResponse(headers={"Content-Type": NDJSON, "Cache-Control": "no-store"})
    moved = asyncio.Event()
    unwatch = watch(moved.set)
    try:
        with suppress(ConnectionResetError):
            await response.prepare(request)
            ended = False
            while not ended:
                moved.clear()
                ended = over()
                await response.write(msgspec.json.encode(look()) + b"\n")
                if not ended:
                    with suppress(TimeoutError):  # over without a last change
                        await asyncio.wait_for(moved.wait(), 1.0)
            await response.write_eof()
    finally:
        unwatch()
    return response
