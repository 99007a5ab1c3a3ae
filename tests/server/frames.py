"""A WebSocket client that is as wrong as it is told to be: frames byte by byte, and what the server makes of them."""

import asyncio
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass

DEADLINE = 10.0
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
SENTINEL = b"are you there?"


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    masked: bool = True,
    length: int | None = None,
    wide: int = 0,
) -> bytes:
    """One frame. `length` is what its header says, `wide` forces 2 or 8 bytes for that."""
    size = len(payload) if length is None else length
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    mask = 0x80 if masked else 0
    if wide == 8 or (not wide and size > 0xFFFF):
        head = struct.pack("!BBQ", first, mask | 127, size)
    elif wide == 2 or size > 125:
        head = struct.pack("!BBH", first, mask | 126, size)
    else:
        head = struct.pack("!BB", first, mask | size)
    if not masked:
        return head + payload
    key = os.urandom(4)
    return head + key + bytes(byte ^ key[n % 4] for n, byte in enumerate(payload))


def closing(code: int, reason: bytes = b"") -> bytes:
    """A close frame."""
    return frame(CLOSE, struct.pack("!H", code) + reason)


@dataclass
class Outcome:
    """What a server made of a case: answers and pongs in order, then whether it closed and with which code.

    Code 0 is a close frame without one, None a connection that just ended.
    """

    answers: int
    pongs: list[bytes]
    closed: bool
    code: int | None = None


class Peer:
    """One connection to `path`; `is_answer` tells answers from what a server says unasked."""

    def __init__(self, host: str, port: int, path: str, is_answer: Callable[[bytes], bool]) -> None:
        self._host, self._port, self._path = host, port, path
        self._is_answer = is_answer

    async def play(self, pieces: list[bytes], answers: int) -> Outcome:
        """Send these pieces, each in a segment of its own, then see what is made of them."""
        reader, writer = await asyncio.open_connection(self._host, self._port)
        try:
            async with asyncio.timeout(DEADLINE):
                await self._shake_hands(reader, writer)
                for piece in [*pieces, frame(PING, SENTINEL)]:
                    writer.write(piece)
                    await writer.drain()
                return await self._listen(reader, answers)
        finally:
            writer.close()

    async def _shake_hands(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writer.write(
            f"GET {self._path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\n"
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head  # the accept key of RFC 6455's example

    async def _listen(self, reader: asyncio.StreamReader, answers: int) -> Outcome:
        outcome = Outcome(0, [], closed=False)
        alive = False
        while not (alive and outcome.answers >= answers):
            try:
                opcode, payload = await _read(reader)
            except (asyncio.IncompleteReadError, ConnectionResetError):
                outcome.closed = True
                return outcome
            if opcode == CLOSE:
                outcome.closed = True
                outcome.code = struct.unpack("!H", payload[:2])[0] if payload else 0
                return outcome
            if opcode == PONG and payload == SENTINEL:
                alive = True
            elif opcode == PONG:
                outcome.pongs.append(payload)
            elif opcode in (TEXT, BINARY) and self._is_answer(payload):
                outcome.answers += 1
        return outcome


async def _read(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """The next frame of a server, which is never masked."""
    first, second = await reader.readexactly(2)
    assert second < 0x80
    size = second
    if size >= 126:
        data = await reader.readexactly(2 if size == 126 else 8)
        size = int.from_bytes(data)
    return first & 0x0F, await reader.readexactly(size)
