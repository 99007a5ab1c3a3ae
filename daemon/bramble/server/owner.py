"""Whose conversations these are: an account's, or a browser's that has a cookie no script and no other site can use.

The socket sets it, not the page: a link from another site opens the page without the cookie (SameSite=Strict), and a
new one would take a person's conversations away. The store knows a hash: a copy of its file opens nobody's door.
"""

import hashlib
import re
import secrets

from aiohttp import web

from bramble.server.access import peer
from bramble.server.identity import identity

COOKIE = "bramble"
PRESENT = web.RequestKey("owner", str)
KEY = re.compile(r"[A-Za-z0-9_-]{22,64}")
KEPT_SECONDS = 400 * 24 * 3600
"""What browsers allow at most; each visit begins it anew."""


def owner(request: web.Request) -> str:
    """The owner's name in the store: an account or key where one was shown, else the browser.

    Who has no cookie is somebody new, the same throughout this request.
    """
    if signed_in := identity(request).owner:
        return signed_in
    return "browser:" + hashlib.sha256(_key(request).encode()).hexdigest()[:32]


def person(request: web.Request) -> str:
    """Who this counts as in the queue and for rates: whoever signed in, else the address."""
    return identity(request).owner or f"ip:{peer(request)}"


def remember(request: web.Request, response: web.StreamResponse) -> None:
    """Let the browser say next time who it was."""
    response.set_cookie(
        COOKIE,
        _key(request),
        max_age=KEPT_SECONDS,
        httponly=True,
        samesite="Strict",
        secure=request.scheme == "https",
    )


def _key(request: web.Request) -> str:
    if PRESENT not in request:
        known = request.cookies.get(COOKIE, "")
        request[PRESENT] = known if KEY.fullmatch(known) else secrets.token_urlsafe(24)
    return request[PRESENT]
