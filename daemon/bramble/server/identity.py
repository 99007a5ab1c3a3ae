"""Who is asking, as `access` found out, for the handlers behind it."""

from aiohttp import web

from bramble.access.identity import NOBODY, Identity
from bramble.server.errors import Refused

WHO = web.RequestKey("identity", Identity)


def identity(request: web.Request) -> Identity:
    """Who is asking; nobody where nothing was shown."""
    return request.get(WHO, NOBODY)


def require_admin(request: web.Request) -> Identity:
    """Raise Refused where it is not the admin: 401 for who showed nothing, 403 for anybody else."""
    who = identity(request)
    if who.admin:
        return who
    if who.known:
        raise Refused(403, "forbidden", "Only the admin may do this.")
    raise Refused(401, "sign_in", "This needs the admin password.", "Sign in first.")
