"""The route that hands out a conversation as a file."""

from urllib.parse import quote

from aiohttp import web

from bramble.chat import export
from bramble.chat.turn import Chat
from bramble.errors import BadRequest
from bramble.server.owner import owner

FORMATS = {
    "md": (export.markdown, "text/markdown; charset=utf-8"),
    "json": (export.json, "application/json"),
}


class Exports:
    """GET /api/conversations/{id}/export."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat

    def add_to(self, app: web.Application) -> None:
        """Put the route in."""
        app.router.add_get("/api/conversations/{id}/export", self.export)

    async def export(self, request: web.Request) -> web.Response:
        """As `format` says: md (also where none is named) or json."""
        format = request.query.get("format", "md")
        if format not in FORMATS:
            raise BadRequest("A conversation is exported as md or json.", field="format")
        write, kind = FORMATS[format]
        summary, messages = await self._chat.whole(owner(request), request.match_info["id"])
        name = quote(f"{summary.title}.{format}", safe="")
        headers = {
            "Content-Type": kind,
            "Content-Disposition": f"attachment; filename=\"conversation.{format}\"; filename*=UTF-8''{name}",
            "Cache-Control": "no-store",
        }
        return web.Response(body=write(summary, messages), headers=headers)
