"""Updates from the page: a signed pack comes as two files or as an address, and systemd has it installed."""

import asyncio
import errno
from collections.abc import Collection
from pathlib import Path

import msgspec
from aiohttp import web

from bramble.errors import BadRequest, ModelUnavailable
from bramble.models import reach
from bramble.server.audit import audited
from bramble.server.body import read_body
from bramble.server.errors import Refused, json_response
from bramble.updates.requested import (
    FOLDER,
    MOST_BYTES,
    PACK,
    SIGNATURE,
    Request,
    leave,
    progress,
)

MOST = {PACK: MOST_BYTES, SIGNATURE: 4096}
"""Bytes of each file."""
PART = 256 * 1024

_request = msgspec.json.Decoder(Request)


class UpdateRoom:
    """The handlers; files wait in a folder of `state_dir`. `root` is where the machine's own files are, `local_hosts`
    which servers of this network may be asked."""

    def __init__(self, state_dir: Path, root: Path, local_hosts: Collection[str]) -> None:
        self._state_dir, self._root, self._local_hosts = state_dir, root, local_hosts
        self._folder = state_dir / FOLDER

    def add_to(self, app: web.Application) -> None:
        """Put the routes in."""
        app.router.add_get("/api/admin/update", self.look)
        app.router.add_put(f"/api/admin/update/{{name:{PACK}|{SIGNATURE}}}", self.bring)
        app.router.add_post("/api/admin/update", self.begin)

    async def look(self, request: web.Request) -> web.Response:
        """GET /api/admin/update: whether updates can be made from here, and how the last one went."""
        return json_response(
            msgspec.to_builtins(await asyncio.to_thread(progress, self._state_dir, self._root))
        )

    async def bring(self, request: web.Request) -> web.Response:
        """PUT /api/admin/update/pack.tar and /pack.tar.minisig: the file as the body. It takes the last one's place."""
        name = request.match_info["name"]
        await self._must_be_possible()
        file, new = self._folder / name, self._folder / f".{name}"
        try:
            await asyncio.to_thread(self._folder.mkdir, mode=0o700, exist_ok=True)
            size = await _store(request, new, MOST[name])
            await asyncio.to_thread(new.replace, file)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise Refused(507, "disk_full", "There is no room for this update.") from error
            raise
        finally:
            await asyncio.to_thread(new.unlink, missing_ok=True)
        return json_response({"name": name, "size": size}, 201)

    async def begin(self, request: web.Request) -> web.Response:
        """POST /api/admin/update: install what was brought, or what is at `address`."""
        wish = await read_body(request, _request)
        with audited(request, "update", source=wish.address or "file"):
            await self._must_be_possible()
            if wish.address:
                self._check(wish.address)
            brought = all((self._folder / name).is_file() for name in MOST)
            if not wish.address and not brought:
                raise BadRequest("An update is a pack and its signature; one of them is missing.")
            self._folder.mkdir(mode=0o700, exist_ok=True)
            await asyncio.to_thread(leave, self._state_dir, wish)
        return json_response({"status": "asked"}, 202)

    def _check(self, address: str) -> None:
        try:
            reach.parse(address, self._local_hosts)
        except ModelUnavailable as error:
            raise BadRequest(error.message, error.hint, field="address") from error

    async def _must_be_possible(self) -> None:
        now = await asyncio.to_thread(progress, self._state_dir, self._root)
        if not now.possible:
            raise Refused(
                409,
                "not_possible",
                "This is no appliance that updates itself from the page.",
                "Run deploy/deploy.sh once more, or update what deploy/try.sh made with git pull.",
            )
        if now.running:
            raise Refused(409, "updating", "An update is under way.", "Wait until it is over.")


async def _store(request: web.Request, file: Path, most: int) -> int:
    """The body, as it comes, in a file. Raises Refused where it is too large, BadRequest where it does not all come."""
    size = 0
    with file.open("wb") as stream:
        async for part in request.content.iter_chunked(PART):
            size += len(part)
            if size > most:
                raise Refused(413, "too_large", "That is too large for an update of Bramble.")
            await asyncio.to_thread(stream.write, part)
    if not size:
        raise BadRequest("The file is empty.")
    return size
