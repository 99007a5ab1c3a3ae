"""One WebSocket as bytes: its limits, its heartbeat, and how it ends. It knows frames, not what they mean."""

import asyncio
import struct
from contextlib import suppress

from aiohttp import WSCloseCode, WSMsgType, web

from bramble.server.codec import encode
from bramble.server.frames import Error, ToClient
from bramble.server.incoming import FRAME_LIMIT

HEARTBEAT_SECONDS = 15.0
GOODBYE_SECONDS = 2.0
"""How long a client may take to close after it was told to."""


def is_text(data: bytes) -> bool:
    """Whether this may stand in a text frame (RFC 6455, 8.1)."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


class Socket(web.WebSocketResponse):
    """aiohttp's socket, which also says why before it closes because of a frame that is too large."""

    def __init__(self) -> None:
        super().__init__(
            heartbeat=HEARTBEAT_SECONDS,
            timeout=GOODBYE_SECONDS,
            max_msg_size=FRAME_LIMIT + 1,
            compress=False,  # a deflate a token costs more than the few bytes it saves
            decode_text=False,
        )

    async def send(self, frame: ToClient) -> None:
        """Send a frame; waits while the client is slow. Raises ConnectionResetError once it is gone."""
        await self.send_frame(encode(frame), WSMsgType.TEXT)

    async def close(
        self, *, code: int = WSCloseCode.OK, message: bytes = b"", drain: bool = True
    ) -> bool:
        """Close it, telling the client why."""
        if code == WSCloseCode.MESSAGE_TOO_BIG and not self.closed:
            with suppress(ConnectionResetError):
                await self._refuse()
        return await super().close(code=code, message=message, drain=drain)

    async def _refuse(self) -> None:
        limit = f"A frame may have {FRAME_LIMIT // 1024} KiB at most."
        await self.send(Error(code="too_large", message=limit))
        await self.send_frame(struct.pack("!H", WSCloseCode.MESSAGE_TOO_BIG), WSMsgType.CLOSE)
        # Closing at once would reset the connection while the client still sends: it would never read why.
        await asyncio.sleep(GOODBYE_SECONDS)
