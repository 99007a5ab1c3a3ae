"""A request's JSON body, read within a deadline and held to a declared shape."""

import asyncio
from typing import TypeVar

import msgspec
from aiohttp import web

from bramble.errors import BadRequest
from bramble.server.errors import Refused, malformed
from bramble.server.guest import BODY_RATE

BODY_SECONDS = 15.0
"""For the body to come, and more for a large one; one that dribbles is cut off by `guest`, without words."""

Body = TypeVar("Body")


async def read_body(request: web.Request, decoder: msgspec.json.Decoder[Body]) -> Body:
    """The body. Raises BadRequest where it is not as declared, Refused where it does not come."""
    try:
        async with asyncio.timeout(BODY_SECONDS + (request.content_length or 0) / BODY_RATE):
            data = await request.read()
    except TimeoutError as error:
        raise Refused(408, "request_timeout", "The body did not arrive in time.") from error
    except web.RequestPayloadError as error:
        raise BadRequest("The body is not encoded as its headers say.") from error
    try:
        return decoder.decode(data)
    except (ValueError, RecursionError) as error:
        raise malformed(error) from error
