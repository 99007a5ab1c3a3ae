"""GET /api/admin/status: how the appliance fares, for the page of whoever looks after it."""

import os
import platform
import shutil
import time
from pathlib import Path

from aiohttp import web

import bramble
from bramble.board import memory
from bramble.board.watch import Watch
from bramble.config import Config
from bramble.engine.client import Engine
from bramble.server.errors import json_response
from bramble.server.status import Status
from bramble.swap import Swapper


class StateRoom:
    """The handler; what a machine does not tell is null."""

    def __init__(
        self, config: Config, status: Status, engine: Engine, watch: Watch, swapper: Swapper
    ) -> None:
        self._config, self._status = config, status
        self._engine, self._watch, self._swapper = engine, watch, swapper
        self._since = time.time()

    def add_to(self, app: web.Application) -> None:
        """Put the route in."""
        app.router.add_get("/api/admin/status", self.show)

    async def show(self, _: web.Request) -> web.Response:
        """GET /api/admin/status."""
        model = self._status.model
        return json_response(
            {
                "version": bramble.__version__,
                "python": platform.python_version(),
                "host": platform.node(),
                "power": self._config.server.power,
                "now": time.time(),
                "since": self._since,
                "state": self._status.frame(),
                "model": {
                    "name": self._swapper.name,
                    "title": model.name if model else None,
                    "description": model.description if model else None,
                    "size": model.size if model else None,
                    "load_seconds": model.load_seconds if model else None,
                    "threads": model.threads if model else None,
                    "prefill_threads": model.prefill_threads if model else None,
                    "notes": model.notes if model else [],
                },
                "swap": self._swapper.last,
                "engine": {
                    "restarts": self._engine.state.restarts,
                    "last_words": self._engine.last_words[-10:],
                },
                "memory": self._memory(),
                "heat": self._heat(),
                "disk": {
                    "models": _disk(self._config.models_dir),
                    "conversations": _disk(self._config.state_dir),
                },
            }
        )

    def _memory(self) -> dict[str, int | None]:
        seen = self._watch.facts.memory if self._watch.facts else None
        return {
            "total": seen.total if seen else None,
            "left": seen.least.left if seen else None,
            "daemon": memory.resident((os.getpid(),)),
            "engine": memory.resident(self._engine.pids),
        }

    def _heat(self) -> dict[str, object]:
        heat = self._watch.facts.heat if self._watch.facts else None
        throttle = heat.throttle if heat else None
        return {
            "celsius": heat.celsius if heat else None,
            "throttled": throttle.is_hot if throttle else None,
            "under_voltage": throttle.is_weak if throttle else None,
        }


def _disk(folder: Path) -> dict[str, int | None]:
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return {"total": None, "free": None}
    return {"total": usage.total, "free": usage.free}
