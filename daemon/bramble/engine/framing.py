"""How a message of `wire` is framed: a 4-byte big-endian length and one msgpack value of its unions, nothing else."""

import struct

import msgspec

from bramble.engine.wire import ToDaemon, ToEngine

FRAME_LIMIT = 64 * 1024 * 1024
"""Largest accepted frame in bytes; either side treats a longer one as a broken peer."""

_HEADER = struct.Struct(">I")
HEADER_SIZE = _HEADER.size

_encoder = msgspec.msgpack.Encoder()
_to_engine: msgspec.msgpack.Decoder[ToEngine] = msgspec.msgpack.Decoder(ToEngine)
_to_daemon: msgspec.msgpack.Decoder[ToDaemon] = msgspec.msgpack.Decoder(ToDaemon)


def frame(message: ToEngine | ToDaemon) -> bytes:
    """Encode one message with its length in front."""
    body = _encoder.encode(message)
    return _HEADER.pack(len(body)) + body


def body_size(header: bytes) -> int:
    """Length in bytes of the body that follows `header`. Raises ValueError where it is past FRAME_LIMIT."""
    (size,) = _HEADER.unpack(header)
    if size > FRAME_LIMIT:
        raise ValueError(f"a frame of {size} bytes is longer than the limit of {FRAME_LIMIT}")
    return size


def parse_to_engine(body: bytes) -> ToEngine:
    """Decode what the daemon sent. Raises msgspec.DecodeError on anything undeclared."""
    return _to_engine.decode(body)


def parse_to_daemon(body: bytes) -> ToDaemon:
    """Decode what the engine sent. Raises msgspec.DecodeError on anything undeclared."""
    return _to_daemon.decode(body)
