"""Signing in and out, and one's own password: /api/session and /api/password."""

from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from bramble.access.book import ADMIN
from bramble.access.identity import NOBODY, Identity
from bramble.access.keeper import Keeper
from bramble.access.passwords import LONGEST
from bramble.server.access import SESSION, peer
from bramble.server.audit import audit, audited
from bramble.server.body import read_body
from bramble.server.errors import Refused, json_response
from bramble.server.identity import WHO, identity

KEPT_SECONDS = 90 * 24 * 3600
Password = Annotated[str, Meta(min_length=1, max_length=LONGEST)]


class SignIn(msgspec.Struct):
    """Who wants in."""

    password: Password
    name: Annotated[str, Meta(min_length=1, max_length=60)] = ADMIN


class NewPassword(msgspec.Struct):
    """A password for an appliance that has none (`code`), or another one for who is signed in (`old`)."""

    password: Password
    code: Annotated[str, Meta(max_length=60)] = ""
    old: Annotated[str, Meta(max_length=LONGEST)] = ""


_sign_in = msgspec.json.Decoder(SignIn)
_new_password = msgspec.json.Decoder(NewPassword)


class SessionRoom:
    """The handlers; `mode` is server.access."""

    def __init__(self, keeper: Keeper, mode: str) -> None:
        self._keeper, self._mode = keeper, mode

    def add_to(self, app: web.Application) -> None:
        """Put the routes in."""
        app.router.add_get("/api/session", self.show)
        app.router.add_post("/api/session", self.sign_in)
        app.router.add_delete("/api/session", self.sign_out)
        app.router.add_post("/api/password", self.set_password)

    async def show(self, request: web.Request) -> web.Response:
        """GET /api/session."""
        return self._shown(identity(request))

    async def sign_in(self, request: web.Request) -> web.Response:
        """POST /api/session."""
        body = await read_body(request, _sign_in)
        with audited(request, "sign_in", name=body.name):
            if body.name == ADMIN and not self._keeper.is_claimed:
                raise Refused(409, "no_password", NO_PASSWORD, "Set it with the setup code.")
            return await self._enter(request, body.name, body.password)

    async def sign_out(self, request: web.Request) -> web.Response:
        """DELETE /api/session."""
        if session := identity(request).session:
            self._keeper.sessions.end(session)
            audit(request, "sign_out")
            self._keeper.look()
        response = self._shown(NOBODY)
        response.del_cookie(SESSION)
        return response

    async def set_password(self, request: web.Request) -> web.Response:
        """POST /api/password."""
        body = await read_body(request, _new_password)
        who = identity(request)
        with audited(request, "password", name=who.name or ADMIN):
            if body.code:
                await self._keeper.claim(body.code, body.password, peer(request))
                return await self._enter(request, ADMIN, body.password)
            if not who.name or who.key:
                raise Refused(401, "sign_in", "Sign in to change your password.")
            await self._keeper.change_password(who.name, body.old, body.password, peer(request))
            self._keeper.look()
            return await self._enter(request, who.name, body.password)

    async def _enter(self, request: web.Request, name: str, password: str) -> web.Response:
        token = await self._keeper.sign_in(name, password, peer(request))
        request[WHO] = who = Identity(name, name == ADMIN)
        response = self._shown(who)
        response.set_cookie(
            SESSION,
            token,
            max_age=KEPT_SECONDS,
            httponly=True,
            samesite="Strict",
            secure=request.scheme == "https",
        )
        return response

    def _shown(self, who: Identity) -> web.Response:
        signed_in = {"name": who.name, "admin": who.admin} if who.known else None
        body = {
            "mode": self._mode,
            "claimed": self._keeper.is_claimed,
            "signed_in": signed_in,
        }
        response = json_response(body)
        response.headers["Cache-Control"] = "no-store"
        return response


NO_PASSWORD = "This appliance has no password yet."
