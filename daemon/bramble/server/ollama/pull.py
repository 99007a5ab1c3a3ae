"""Fetches and deletes models of the catalogue for Ollama's clients, and tells how far it is."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

from bramble.config import Config
from bramble.errors import NotFound
from bramble.models.catalogue import Model, find
from bramble.models.fetches import Fetches
from bramble.models.library import is_present, remove_model
from bramble.server.naming import TAG
from bramble.swap import Swapper

LOOK_SECONDS = 1.0

Json = dict[str, Any]


class Pulls:
    """Downloads and deletes as the admin's API does; a download goes on when its client leaves."""

    def __init__(self, config: Config, fetches: Fetches, swapper: Swapper) -> None:
        self._config, self._fetches, self._swapper = config, fetches, swapper

    def is_here(self, name: str) -> bool:
        """Whether nothing is to be fetched. Raises NotFound."""
        return is_present(self._find(name), self._config.models_dir)

    async def pull(self, name: str) -> AsyncGenerator[Json, None]:
        """What is told meanwhile. Raises NotFound, BadRequest, ModelUnavailable."""
        model = self._find(name)
        line = {
            "status": f"pulling {model.sha256[:12]}",
            "digest": f"sha256:{model.sha256}",
            "total": model.size,
        }
        yield {"status": "pulling manifest"}
        if not self.is_here(name):
            fetch = self._fetches.start(name.removesuffix(TAG))
            end = asyncio.ensure_future(self._fetches.end(fetch))
            try:
                while not end.done():
                    await asyncio.wait({end}, timeout=LOOK_SECONDS)
                    yield {**line, "completed": fetch.done}
                end.result()
            finally:
                end.cancel()
        yield {**line, "completed": model.size}
        for status in ("verifying sha256 digest", "writing manifest", "success"):
            yield {"status": status}

    async def remove(self, name: str) -> None:
        """Delete a model's file. Raises NotFound, BadRequest where it is the one that answers, or soon will."""
        name = name.removesuffix(TAG)
        swap = self._swapper.last
        used = (self._swapper.name, swap.model if swap and self._swapper.busy else "")
        with suppress(NotFound):
            self._fetches.cancel(name)
        await asyncio.to_thread(remove_model, name, self._config.models_dir, used)

    def _find(self, name: str) -> Model:
        return find(name.removesuffix(TAG), self._config.models_dir)
