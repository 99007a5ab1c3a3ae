"""Errors become answers here and nowhere else: a status code, and a body in the shape of the caller's family."""

import logging
import math
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from bramble.access.identity import WrongPassword
from bramble.chat.answer import Internal
from bramble.chat.answers import Stopping
from bramble.chat.copies import NoCopy
from bramble.chat.file import DiskFull
from bramble.errors import (
    BadRequest,
    BrambleError,
    Busy,
    EngineLost,
    ModelUnavailable,
    NotFound,
    TooMany,
)
from bramble.server.families import LLAMA, OLLAMA, llama_error, ollama_error

log = logging.getLogger("bramble.server")

STATUS: tuple[tuple[type[BrambleError], int], ...] = (
    (BadRequest, 400),
    (WrongPassword, 401),
    (NotFound, 404),
    (TooMany, 429),
    (Busy, 503),
    (ModelUnavailable, 503),
    (EngineLost, 503),
    (Stopping, 503),
    (DiskFull, 507),
    (NoCopy, 507),
)
RETRY_SECONDS = 5.0
"""Retry-After of a 503 where nobody knows better."""
CHALLENGE = 'Bearer realm="Bramble"'
"""Basic is taken as well, but named it would have browsers ask for a password in a window of their own."""
TURNED_AWAY = {401, 403, 408, 421, 429, 503}
"""What is worth a line in the log: whoever looks after the machine can do something about it."""


class Refused(BrambleError):
    """Turned away before anybody looked at what was asked."""

    def __init__(self, status: int, code: str, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.status = status
        self.code = code


def malformed(error: Exception) -> BadRequest:
    """What is wrong with a body, from what msgspec says of it: "Expected `int`, got `str` - at `$.n`"."""
    if isinstance(error, msgspec.ValidationError):
        what, _, path = str(error).partition(" - at `$")
        field = path.strip("`.") or None
        where = f" in {field}" if field else ""
        return BadRequest(f"{what.replace('`', '')}{where}.", field=field)
    if isinstance(error, RecursionError):
        return BadRequest("This is nested too deeply.")
    return BadRequest(f"This is not valid JSON: {error}.")


def status_of(error: BrambleError) -> int:
    """The status code of an error."""
    if isinstance(error, Refused):
        return error.status
    return next((status for kind, status in STATUS if isinstance(error, kind)), 500)


def openai_error(error: BrambleError) -> dict[str, Any]:
    """An error as OpenAI's clients read it."""
    return {
        "error": {
            "message": f"{error.message} {error.hint}".strip(),
            "type": "invalid_request_error" if status_of(error) < 500 else "server_error",
            "param": error.field if isinstance(error, BadRequest) else None,
            "code": error.code,
        }
    }


def json_response(body: object, status: int = 200) -> web.Response:
    """A JSON answer."""
    return web.Response(
        body=msgspec.json.encode(body), status=status, content_type="application/json"
    )


@web.middleware
async def shaped(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every error, also those that nobody planned, in the shape of its family."""
    try:
        return await handler(request)
    except BrambleError as error:
        return _answer(request, error)
    except web.HTTPException as error:
        response = _answer(request, Refused(error.status, _code(error), f"{error.reason}."))
        response.headers.update({k: v for k, v in error.headers.items() if k == "Allow"})
        return response
    except Exception:
        log.exception("%s %s failed", request.method, request.path)
        return _answer(request, Internal("Something went wrong inside Bramble.", "See the log."))


def _answer(request: web.Request, error: BrambleError) -> web.Response:
    status = status_of(error)
    if status in TURNED_AWAY:
        log.info("%d for %s %s: %s", status, request.remote, request.path, error.message)
    response = json_response(_body(request, error), status)
    if status in (429, 503):
        seconds = error.retry_after if isinstance(error, Busy) else RETRY_SECONDS
        response.headers["Retry-After"] = str(math.ceil(seconds))
    if status == 401:
        response.headers["WWW-Authenticate"] = CHALLENGE
    return response


def _body(request: web.Request, error: BrambleError) -> dict[str, Any]:
    if request.path.startswith("/v1/"):
        return openai_error(error)
    if request.path in OLLAMA:
        return ollama_error(error.message, error.hint)
    if request.path in LLAMA:
        return llama_error(status_of(error), error.message, error.hint)
    return {"error": {"code": error.code, "message": error.message, "hint": error.hint}}


def _code(error: web.HTTPException) -> str:
    return error.reason.lower().replace(" ", "_")
