"""aiohttp's protocol for one connection, but what cannot be read is refused as everything else is: in JSON."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import InvalidURLError

from bramble.server.errors import Refused, json_response, openai_error
from bramble.server.headers import HEADERS

log = logging.getLogger("bramble.server")

LINGER_SECONDS = 3.0
"""How long the rest of a body is taken whose request was answered; aiohttp's 10 s are a gift to who dribbles."""
OPTIONS: dict[str, Any] = {"access_log": None, "lingering_time": LINGER_SECONDS}


class Protocol(web.RequestHandler):
    """Speaks HTTP with one client."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what never became a request of the application: its own errors come from `shaped`.

        Nobody can tell for which family it was meant. OpenAI's errors hold what the others read, too.
        """
        if status != 400 or request.writer.output_size > 0:
            return super().handle_error(request, status, exc, message)
        reason = (message or "").partition(":")[0].partition("\n")[0]
        if isinstance(exc, InvalidURLError) or not reason:
            reason = "Invalid address"
        error = Refused(status, "bad_request", f"This is not valid HTTP. {reason}.")
        log.info("400 for %s: %s", request.remote, error.message)
        response = json_response(openai_error(error), status)
        response.headers.update(HEADERS)
        response.force_close()
        return response


def protocols(server: web.Server) -> Callable[[], Protocol]:
    """What makes one for each connection."""
    return partial(Protocol, server, loop=asyncio.get_running_loop(), **OPTIONS)
