"""The headers that every answer carries."""

from aiohttp import web

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Server": "Bramble",
}
OF_FILES = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""The page's files are many and small, and no documents: the page's own policy counts for them."""


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """What `web.Application.on_response_prepare` is told."""
    if request.path.startswith("/static/"):
        response.headers.update(OF_FILES)
        response.headers.popall("Server", None)
        return
    response.headers.update(HEADERS)
    if request.scheme == "https":  # browsers complain of it where the link is not encrypted
        response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
