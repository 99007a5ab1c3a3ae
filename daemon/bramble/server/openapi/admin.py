"""The routes of signing in and of the admin, as `operations` lists the others."""

from typing import Any

from bramble.server.admin.models import Wish
from bramble.server.admin.people import Another, NewAccount, NewKey
from bramble.server.openapi import shapes
from bramble.server.openapi.operation import ADMIN, BRAMBLE, JSON, LINES, SQLITE, Operation
from bramble.server.session import NewPassword, SignIn
from bramble.updates.requested import Request

S = shapes
OBJECT = {JSON: S.ANY_OBJECT}
SESSION = {JSON: S.shape(mode=S.TEXT, claimed=S.TRUTH, signed_in=S.maybe(S.ANY_OBJECT))}
NAMED = {JSON: S.shape(name=S.TEXT)}
PROGRESS = {**OBJECT, LINES: {}}


def _admin(method: str, path: str, summary: str, kinds: Any = OBJECT, **more: Any) -> Operation:
    return Operation(
        method=method,
        path=f"/api/admin/{path}",
        summary=summary,
        family=ADMIN,
        kinds=kinds,
        **more,
    )


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        method="get",
        path="/api/session",
        summary="Who is signed in, and how the appliance is guarded",
        family=BRAMBLE,
        kinds=SESSION,
    ),
    Operation(
        method="post",
        path="/api/session",
        summary="Sign in",
        family=BRAMBLE,
        body=SignIn,
        kinds=SESSION,
        also=(409,),
    ),
    Operation(
        method="delete",
        path="/api/session",
        summary="Sign out",
        family=BRAMBLE,
        kinds=SESSION,
    ),
    Operation(
        method="post",
        path="/api/password",
        summary="Set the first password with the setup code, or change one's own",
        family=BRAMBLE,
        body=NewPassword,
        kinds=SESSION,
        also=(409,),
    ),
    _admin("get", "status", "How the appliance fares"),
    _admin("get", "models", "What there is, and what fits"),
    _admin("post", "models/fetch", "Fetch a model", PROGRESS, body=Wish, also=(202, 404)),
    _admin("post", "models/cancel", "End a fetch", body=Wish, also=(404,)),
    _admin("post", "models/activate", "Use a model", PROGRESS, body=Wish, also=(202, 404)),
    _admin("delete", "models/{name}", "Delete a model", NAMED, also=(400, 404)),
    _admin("get", "accounts", "Who has an account"),
    _admin("post", "accounts", "Make an account", NAMED, body=NewAccount, ok=201),
    _admin(
        "put",
        "accounts/{name}/password",
        "Another password for an account",
        NAMED,
        body=Another,
        also=(404,),
    ),
    _admin("delete", "accounts/{name}", "End an account", NAMED, also=(400, 404)),
    _admin("get", "keys", "Which programs have keys"),
    _admin(
        "post",
        "keys",
        "Make a key; its secret is told this once",
        {JSON: S.shape(id=S.TEXT, secret=S.TEXT)},
        body=NewKey,
        ok=201,
        also=(404,),
    ),
    _admin("delete", "keys/{id}", "End a key", {JSON: S.shape(id=S.TEXT)}, also=(404,)),
    _admin("get", "backup", "All conversations in one file", {SQLITE: {}}, also=(507,)),
    _admin("get", "update", "Whether an update can be made from here, and how the last one went"),
    _admin(
        "put",
        "update/{name}",
        "Bring a pack (pack.tar) or its signature (pack.tar.minisig)",
        ok=201,
        also=(404, 409, 413, 507),
    ),
    _admin(
        "post", "update", "Install it, or what is at an address", body=Request, ok=202, also=(409,)
    ),
    _admin("get", "config", "Every setting"),
    _admin("patch", "config", "Change settings", body=dict[str, Any]),
    _admin(
        "get",
        "logs",
        "What was logged",
        query={"after": {"type": "integer", "minimum": 0, "default": 0}},
    ),
    _admin("post", "engine/restart", "Load the model anew", ok=202),
    _admin(
        "post",
        "{what}",
        "Switch the machine off (shutdown) or anew (reboot)",
        ok=202,
        also=(400, 404),
    ),
)
