"""The engine anew, the log's last lines, and switching the machine off where that is allowed."""

import asyncio
import shutil
from asyncio.subprocess import DEVNULL, PIPE

from aiohttp import web

from bramble.engine.client import Engine
from bramble.errors import BadRequest, ModelUnavailable
from bramble.journal import Journal
from bramble.scheduler import Scheduler
from bramble.server.audit import audited
from bramble.server.errors import Refused, json_response

POWER = {"shutdown": "poweroff", "reboot": "reboot"}
POWER_SECONDS = 10.0


class MachineRoom:
    """The handlers; `power` is whether the machine may be switched off from here."""

    def __init__(
        self, engine: Engine, scheduler: Scheduler, journal: Journal, *, power: bool
    ) -> None:
        self._engine, self._scheduler, self._journal = engine, scheduler, journal
        self._power = power

    def add_to(self, app: web.Application) -> None:
        """Put the routes in."""
        app.router.add_get("/api/admin/logs", self.logs)
        app.router.add_post("/api/admin/engine/restart", self.restart)
        app.router.add_post("/api/admin/{what:shutdown|reboot}", self.switch)

    async def logs(self, request: web.Request) -> web.Response:
        """GET /api/admin/logs?after=N: what was logged after line N, as much as is kept."""
        after = request.query.get("after", "0")
        if not (after.isascii() and after.isdigit() and len(after) < 16):
            raise BadRequest("`after` is the number of a line.", field="after")
        return json_response({"lines": self._journal.after(int(after))})

    async def restart(self, request: web.Request) -> web.Response:
        """POST /api/admin/engine/restart: running answers go on afterwards."""
        with audited(request, "engine.restart"):
            if self._scheduler.held:
                raise ModelUnavailable("The board recovers; the model is not loaded now.")
            await self._engine.restart()
        return json_response({"status": self._engine.state.phase}, 202)

    async def switch(self, request: web.Request) -> web.Response:
        """POST /api/admin/shutdown and /api/admin/reboot, where server.power allows it."""
        what = request.match_info["what"]
        with audited(request, what):
            if not self._power:
                raise Refused(
                    403, "forbidden", "This may not be done from here.", "Set server.power to true."
                )
            await _systemctl(POWER[what])
        return json_response({"status": what}, 202)


async def _systemctl(verb: str) -> None:
    """Ask systemd, which ends Bramble in order. Raises ModelUnavailable where it says no."""
    program = shutil.which("systemctl")
    if program is None:
        raise BadRequest("This machine has no systemd to ask.")
    process = await asyncio.create_subprocess_exec(
        program, "--no-ask-password", verb, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE
    )
    try:
        async with asyncio.timeout(POWER_SECONDS):
            _, said = await process.communicate()
    except TimeoutError:
        process.kill()
        raise BadRequest("systemd did not answer.") from None
    if process.returncode:
        raise BadRequest(f"systemd refused: {said.decode(errors='replace').strip()[:300]}")
