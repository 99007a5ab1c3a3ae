"""/api/admin/config: every setting with its help, and changing what may be changed."""

import asyncio
from collections.abc import Callable
from functools import reduce
from typing import Any, get_args

import msgspec
from aiohttp import web

from bramble.config import Config, Sources, load
from bramble.config.page import FIXED, LIVE, change
from bramble.config.schema import SETTINGS
from bramble.config.values import wanted
from bramble.errors import BadRequest, ModelUnavailable
from bramble.server.audit import audited
from bramble.server.body import read_body
from bramble.server.errors import json_response

Value = None | bool | int | float | str | list[str] | dict[str, int]
_changes = msgspec.json.Decoder(dict[str, Value])


class SettingsRoom:
    """The handlers. `apply` is called with what counts from now on."""

    def __init__(self, config: Config, sources: Sources, apply: Callable[[Config], None]) -> None:
        self._running = self._written = config
        self._sources, self._apply = sources, apply

    def add_to(self, app: web.Application) -> None:
        """Put the routes in."""
        app.router.add_get("/api/admin/config", self.show)
        app.router.add_patch("/api/admin/config", self.change)

    async def show(self, _: web.Request) -> web.Response:
        """GET /api/admin/config."""
        sources, defaults = self._sources.of(self._written), Config()
        rows = [
            {
                "name": name,
                "help": get_args(kind)[1].description,
                "takes": wanted(kind),
                "value": _value(self._written, name),
                "default": _value(defaults, name),
                "source": sources.get(name, "default"),
                "live": name in LIVE,
                "fixed": name in FIXED or sources.get(name) == "command",
                "waiting": self._is_waiting(name),
            }
            for name, kind in SETTINGS.items()
        ]
        return json_response({"settings": rows})

    async def change(self, request: web.Request) -> web.Response:
        """PATCH /api/admin/config: all of it, or nothing where there is a mistake."""
        changes = await read_body(request, _changes)
        if not changes:
            raise BadRequest("There is nothing to change.")
        with audited(request, "config", names=",".join(changes)[:300]):
            try:
                self._written = await asyncio.to_thread(
                    change, self._written, self._sources, changes
                )
            except OSError as error:
                raise ModelUnavailable(
                    f"It cannot be stored: {error.strerror or error}."
                ) from error
        self._apply(self._written)
        return json_response(
            {
                "applied": [name for name in changes if name in LIVE],
                "after_restart": [name for name in changes if self._is_waiting(name)],
            }
        )

    async def reread(self) -> list[str]:
        """Read the files again: what counts at once does. Returns what waits for the next start. Raises ConfigError."""
        self._written = await asyncio.to_thread(load, self._sources.file, self._sources.overrides)
        self._apply(self._written)
        return [name for name in SETTINGS if self._is_waiting(name)]

    def _is_waiting(self, name: str) -> bool:
        """Whether what is written counts only after the next start."""
        return name not in LIVE and _value(self._written, name) != _value(self._running, name)


def _value(config: Config, name: str) -> Any:
    value: Any = reduce(getattr, name.split("."), config)
    return msgspec.to_builtins(value, enc_hook=str)
