"""A copy of all conversations to take away, made while people chat."""

import asyncio
import time
from io import BufferedReader
from pathlib import Path
from tempfile import TemporaryDirectory

from aiohttp import web

from bramble.chat import copies
from bramble.chat.file import DATABASE
from bramble.server.audit import audited

PART = 256 * 1024
"""Bytes that are read at once."""


class CopyRoom:
    """The handler; the copy is made beside the store in `folder` and is gone from there before it is sent."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add_to(self, app: web.Application) -> None:
        """Put the route in."""
        app.router.add_get("/api/admin/backup", self.backup)

    async def backup(self, request: web.Request) -> web.StreamResponse:
        """GET /api/admin/backup: what `bramble backup` writes, and `bramble restore` takes."""
        with audited(request, "backup"):
            file, size = await asyncio.to_thread(_copied, self._folder)
        with file:
            name = time.strftime("bramble-%Y-%m-%d.sqlite")
            headers = {
                "Content-Type": "application/vnd.sqlite3",
                "Content-Disposition": f'attachment; filename="{name}"',
                "Content-Length": str(size),
                "Cache-Control": "no-store",
            }
            response = web.StreamResponse(headers=headers)
            await response.prepare(request)
            while part := await asyncio.to_thread(file.read, PART):
                await response.write(part)
            await response.write_eof()
        return response


def _copied(folder: Path) -> tuple[BufferedReader, int]:
    """The copy, open, and its size in bytes. Raises NoCopy."""
    try:
        with TemporaryDirectory(prefix=".backup-", dir=folder) as place:
            target = Path(place, DATABASE)
            copies.copy(folder / DATABASE, target)
            return target.open("rb"), target.stat().st_size
    except OSError as error:
        raise copies.NoCopy(f"No copy can be made in {folder}: {error}.") from error
