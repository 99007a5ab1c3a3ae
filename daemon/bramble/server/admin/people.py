"""/api/admin/accounts and /api/admin/keys: who may sign in, and with what programs do."""

from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

from bramble.access import book
from bramble.access.keeper import Keeper
from bramble.access.passwords import LONGEST
from bramble.server.audit import audited
from bramble.server.body import read_body
from bramble.server.errors import json_response

Name = Annotated[str, Meta(min_length=1, max_length=60)]
Password = Annotated[str, Meta(min_length=1, max_length=LONGEST)]


class NewAccount(msgspec.Struct):
    """An account and its first password."""

    name: Name
    password: Password


class Another(msgspec.Struct):
    """Another password for an account."""

    password: Password


class NewKey(msgspec.Struct):
    """What a key is for; `account` is whose conversations it opens, `admin` whether it may change the appliance."""

    name: Name
    account: Annotated[str, Meta(max_length=60)] = ""
    admin: bool = False


_account = msgspec.json.Decoder(NewAccount)
_another = msgspec.json.Decoder(Another)
_key = msgspec.json.Decoder(NewKey)


class PeopleRoom:
    """The handlers."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    def add_to(self, app: web.Application) -> None:
        """Put the routes in."""
        app.router.add_get("/api/admin/accounts", self.accounts)
        app.router.add_post("/api/admin/accounts", self.add_account)
        app.router.add_put("/api/admin/accounts/{name}/password", self.set_password)
        app.router.add_delete("/api/admin/accounts/{name}", self.remove_account)
        app.router.add_get("/api/admin/keys", self.keys)
        app.router.add_post("/api/admin/keys", self.add_key)
        app.router.add_delete("/api/admin/keys/{id}", self.remove_key)

    async def accounts(self, _: web.Request) -> web.Response:
        """GET /api/admin/accounts."""
        accounts = sorted(self._keeper.book.contents.accounts.items())
        rows = [{"name": name, "created": each.created} for name, each in accounts]
        return json_response({"accounts": rows})

    async def add_account(self, request: web.Request) -> web.Response:
        """POST /api/admin/accounts."""
        body = await read_body(request, _account)
        with audited(request, "account.add", name=body.name):
            await self._keeper.add_account(body.name, body.password)
        return json_response({"name": body.name}, 201)

    async def set_password(self, request: web.Request) -> web.Response:
        """PUT /api/admin/accounts/{name}/password: ends all sessions of that account."""
        body, name = await read_body(request, _another), request.match_info["name"]
        with audited(request, "account.password", name=name):
            await self._keeper.set_password(name, body.password)
        self._keeper.look()
        return json_response({"name": name})

    async def remove_account(self, request: web.Request) -> web.Response:
        """DELETE /api/admin/accounts/{name}."""
        name = request.match_info["name"]
        with audited(request, "account.remove", name=name):
            await self._keeper.change(lambda all: book.remove_account(all, name))
        self._keeper.look()
        return json_response({"name": name})

    async def keys(self, _: web.Request) -> web.Response:
        """GET /api/admin/keys: all that is known of them, which is not what they are."""
        keys = self._keeper.book.contents.keys.items()
        rows = [_shown(id, each) for id, each in sorted(keys, key=lambda one: one[1].created)]
        return json_response({"keys": rows})

    async def add_key(self, request: web.Request) -> web.Response:
        """POST /api/admin/keys: `secret` is told this once."""
        body = await read_body(request, _key)
        with audited(request, "key.add", name=body.name):
            id, secret = await self._keeper.change(
                lambda all: book.add_key(all, body.name, account=body.account, admin=body.admin)
            )
        return json_response({"id": id, "secret": secret}, 201)

    async def remove_key(self, request: web.Request) -> web.Response:
        """DELETE /api/admin/keys/{id}."""
        id = request.match_info["id"]
        with audited(request, "key.remove", name=id):
            await self._keeper.change(lambda all: book.remove_key(all, id))
        self._keeper.look()
        return json_response({"id": id})


def _shown(id: str, key: book.Key) -> dict[str, Any]:
    return {
        "id": id,
        "name": key.name,
        "account": key.account or None,
        "admin": key.admin,
        "created": key.created,
        "used": key.used or None,
    }
