"""The WebSocket protocol itself (RFC 6455), case by case as Autobahn's suite has them, at /ws and at a bare aiohttp.

Whatever a case expects, Bramble may fail it only where aiohttp by itself fails it, too.
"""

import json
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import pytest
from aiohttp import WSMsgType, web

from bramble.server.incoming import FRAME_LIMIT
from tests.daemons import Running
from tests.server.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Outcome,
    Peer,
    closing,
    frame,
)

PROTOCOL, DATA, LARGE = {1002}, {1007}, {1009}
HELLO = b'{"type":"ping"}'
VALID = ["κόσμε", "日本語", "𝄞", "\ufffd", "\U0010ffff", "\ud7ff", "\x7f"]
INVALID = [
    b"\xff",
    b"\xc0\xaf",  # too long a form of /
    b"\xe0\x80\xaf",
    b"\xed\xa0\x80",  # a surrogate
    b"\xf4\x90\x80\x80",  # beyond U+10FFFF
    b"\x80",
    b"\xce",  # half a character
    b"\xf8\x88\x80\x80\x80",
]


@dataclass(frozen=True)
class Case:
    """What is sent, and either so many answers and these pongs, or a close with one of these codes."""

    name: str
    pieces: list[bytes]
    answers: int = 0
    pongs: list[bytes] = field(default_factory=list[bytes])
    codes: frozenset[int] = frozenset()
    """A server may also just end the connection where it is to fail it."""

    def is_met(self, outcome: Outcome) -> bool:
        if self.codes:
            return outcome.closed and (outcome.code is None or outcome.code in self.codes)
        same = outcome.answers == self.answers and outcome.pongs == self.pongs
        return same and not outcome.closed


def padded(size: int) -> bytes:
    """A frame's text of that length that is answered."""
    return HELLO + b" " * (size - len(HELLO)) if size > len(HELLO) else b" " * size


def text(inside: str) -> bytes:
    return json.dumps({"type": "ping", "x": inside}, ensure_ascii=False).encode()


def octets(data: bytes) -> list[bytes]:
    return [data[n : n + 1] for n in range(len(data))]


def split(data: bytes, *, opcode: int = TEXT, size: int = 1) -> list[bytes]:
    """As fragments of `size` bytes."""
    parts = [data[n : n + size] for n in range(0, len(data), size)]
    last = len(parts) - 1
    return [
        frame(CONTINUATION if n else opcode, part, fin=n == last) for n, part in enumerate(parts)
    ]


def framing() -> Iterator[Case]:
    for size in (0, 1, 125, 126, 127, 128, 65535, 65536, FRAME_LIMIT):
        yield Case(f"text of {size}", [frame(TEXT, padded(size))], answers=1)
    for size in (0, 125, 126, 127, 128, 65535, 65536, FRAME_LIMIT):
        yield Case(f"binary of {size}", [frame(BINARY, b"\xfe" * size)], answers=1)
    yield Case("text in octets", octets(frame(TEXT, HELLO)), answers=1)
    yield Case("two texts in one segment", [frame(TEXT, HELLO) * 2], answers=2)
    yield Case("a length in 2 bytes that needs 1", [frame(TEXT, HELLO, wide=2)], answers=1)
    yield Case("a length in 8 bytes that needs 1", [frame(TEXT, HELLO, wide=8)], answers=1)


def controls() -> Iterator[Case]:
    for payload in (b"", b"hello", b"\x00\xff\xfe", b"\xfe" * 125):
        yield Case(f"ping of {len(payload)}", [frame(PING, payload)], pongs=[payload])
    yield Case("ping in octets", octets(frame(PING, b"x" * 125)), pongs=[b"x" * 125])
    yield Case("too long a ping", [frame(PING, b"x" * 126)], codes=frozenset(PROTOCOL))
    yield Case("too long a pong", [frame(PONG, b"x" * 126)], codes=frozenset(PROTOCOL))
    for payload in (b"", b"nobody asked"):
        yield Case(f"a pong of {len(payload)} unasked", [frame(PONG, payload)])
    pings = [b"%d" % n for n in range(10)]
    yield Case("ten pings", [frame(PING, each) for each in pings], pongs=pings)
    yield Case("ten pings at once", [b"".join(frame(PING, each) for each in pings)], pongs=pings)
    for opcode in (PING, PONG, CLOSE):
        pieces = [frame(opcode, b"", fin=False)]
        yield Case(f"a fragment of control {opcode}", pieces, codes=frozenset(PROTOCOL))


def reserved() -> Iterator[Case]:
    for rsv in range(1, 8):
        for opcode in (TEXT, PING):
            pieces = [frame(opcode, b"", rsv=rsv)]
            yield Case(f"reserved bits {rsv} on {opcode}", pieces, codes=frozenset(PROTOCOL))
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        for payload in (b"", b"x"):
            name = f"opcode {opcode} with {len(payload)}"
            yield Case(name, [frame(opcode, payload)], codes=frozenset(PROTOCOL))
    yield Case("nothing masked", [frame(TEXT, HELLO, masked=False)], codes=frozenset(PROTOCOL))


def fragments() -> Iterator[Case]:
    yield Case("two fragments", split(HELLO, size=8), answers=1)
    yield Case("fragments of one byte", split(HELLO), answers=1)
    yield Case("binary in fragments", split(b"\xfe" * 9, opcode=BINARY), answers=1)
    empty = [frame(TEXT, b"", fin=False), frame(CONTINUATION, b"", fin=False)]
    yield Case("empty fragments first", [*empty, frame(CONTINUATION, HELLO)], answers=1)
    yield Case("a thousand fragments", split(padded(1000)), answers=1)
    first, second = split(HELLO, size=8)
    pinged = [first, frame(PING, b"now"), second]
    yield Case("a ping in between", pinged, answers=1, pongs=[b"now"])
    yield Case("in octets, a ping in between", octets(b"".join(pinged)), answers=1, pongs=[b"now"])
    bad = {
        "a continuation of nothing": [frame(CONTINUATION, HELLO)],
        "an open continuation of nothing": [frame(CONTINUATION, HELLO, fin=False)],
        "a text within a text": [first, frame(TEXT, HELLO)],
        "a binary within a text": [first, frame(BINARY, b"x")],
        "a continuation after the end": [first, second, frame(CONTINUATION, b"x")],
    }
    for name, pieces in bad.items():
        yield Case(name, pieces, codes=frozenset(PROTOCOL))


def characters() -> Iterator[Case]:
    for valid in VALID:
        data = text(valid)
        yield Case(f"{valid!a} whole", [frame(TEXT, data)], answers=1)
        yield Case(f"{valid!a} in fragments", split(data), answers=1)
        yield Case(f"{valid!a} in octets", octets(frame(TEXT, data)), answers=1)
    for invalid in INVALID:
        data = b'{"type":"ping","x":"%b"}' % invalid
        yield Case(f"{invalid!r} whole", [frame(TEXT, data)], codes=frozenset(DATA))
        yield Case(f"{invalid!r} alone", [frame(TEXT, invalid)], codes=frozenset(DATA))
        yield Case(f"{invalid!r} in fragments", split(data), codes=frozenset(DATA))
        yield Case(f"{invalid!r} as bytes", [frame(BINARY, data)], answers=1)


def farewells() -> Iterator[Case]:
    yield Case("a close without a code", [frame(CLOSE)], codes=frozenset({0, 1000, 1005}))
    for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999):
        yield Case(f"close {code}", [closing(code)], codes=frozenset({code, 1000}))
    for code in (0, 1, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65535):
        yield Case(f"close {code}, which is none", [closing(code)], codes=frozenset(PROTOCOL))
    yield Case("a reason", [closing(1000, b"bye")], codes=frozenset({1000}))
    yield Case("a long reason", [closing(1000, b"x" * 123)], codes=frozenset({1000}))
    yield Case("too long a reason", [closing(1000, b"x" * 124)], codes=frozenset(PROTOCOL))
    yield Case("a reason of no text", [closing(1000, b"\xce")], codes=frozenset(PROTOCOL | DATA))
    yield Case("half a code", [frame(CLOSE, b"\x03")], codes=frozenset(PROTOCOL))
    after = [closing(1000), frame(TEXT, HELLO)]
    yield Case("words after the close", after, codes=frozenset({1000}))
    yield Case("a close in octets", octets(closing(1000)), codes=frozenset({1000}))
    yield Case("two closes", [closing(1000), closing(1001)], codes=frozenset({1000}))


def sizes() -> Iterator[Case]:
    large, beyond = frozenset(LARGE), frozenset(LARGE | PROTOCOL)
    too = FRAME_LIMIT + 2
    yield Case("too large a text", [frame(TEXT, b" " * too)], codes=large)
    yield Case("only the head of too large a text", [frame(TEXT, length=too)], codes=large)
    yield Case("too large in fragments", split(b" " * too, size=65536), codes=large)
    yield Case("a length of 2^40", [frame(TEXT, length=1 << 40)], codes=beyond)
    yield Case("a length of 2^63 and more", [frame(TEXT, length=1 << 63)], codes=beyond)


CASES = [
    case
    for kind in (framing, controls, reserved, fragments, characters, farewells, sizes)
    for case in kind()
]


@pytest.fixture
async def bare() -> AsyncIterator[Peer]:
    """aiohttp and nothing else: it says again what it is told."""

    async def echo(request: web.Request) -> web.WebSocketResponse:
        one = web.WebSocketResponse(max_msg_size=FRAME_LIMIT + 1, compress=False)
        await one.prepare(request)
        async for message in one:
            if message.type is WSMsgType.TEXT:
                await one.send_str(message.data)
            elif message.type is WSMsgType.BINARY:
                await one.send_bytes(message.data)
        return one

    app = web.Application()
    app.router.add_get("/ws", echo)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        await web.SockSite(runner, listener).start()
        yield Peer("127.0.0.1", listener.getsockname()[1], "/ws", lambda _: True)
        await runner.cleanup()


def is_answer(data: bytes) -> bool:
    """Bramble says hello and how it is by itself."""
    return json.loads(data)["type"] in ("pong", "error")


async def failed(peer: Peer) -> dict[str, Outcome]:
    """The cases that a server does not meet."""
    outcomes = {case.name: await peer.play(case.pieces, case.answers) for case in CASES}
    return {
        case.name: outcomes[case.name] for case in CASES if not case.is_met(outcomes[case.name])
    }


async def test_the_protocol_is_kept_as_well_as_aiohttp_keeps_it(
    daemon: Running, bare: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bramble.server.websocket.GOODBYE_SECONDS", 0.05)
    assert len({case.name for case in CASES}) == len(CASES)
    theirs = await failed(bare)
    ours = await failed(Peer("127.0.0.1", int(daemon.url.rsplit(":", 1)[1]), "/ws", is_answer))
    print(f"{len(CASES)} cases; aiohttp fails {list(theirs)}, Bramble fails {list(ours)}")
    assert {name: ours[name] for name in ours if name not in theirs} == {}
    async with daemon.http.get(f"{daemon.url}/healthz") as response:
        assert response.status == 200
