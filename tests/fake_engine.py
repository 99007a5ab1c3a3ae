"""An engine without a model, for what a model cannot do on demand. The last message of a request says what to do:

    say N             N pieces at once                  slow N SECONDS    N pieces, so far apart
    die N             after N pieces half a frame, then SIGKILL
    falter N TOTAL    dies so after N pieces; goes on from there to TOTAL pieces when asked to
    stall N           after N pieces not another word, to nobody
    garbage N         after N pieces bytes that are no message
    turns             the turns it was given, as JSON
    typed             the turns that were typed last, as JSON
    sampling          how it shall draw, as JSON
    repeat N TEXT     the text, N characters a piece
    write N SECONDS TEXT    so, with that much time between them

With `--refuse-above K` more than K turns are more than its context holds. With `--slow-load` it never gets ready,
with `--thinks` its template knows of thinking.
"""

import argparse
import asyncio
import os
import signal
import socket
import time
from collections.abc import AsyncIterator

import msgspec

from bramble.engine import framing, wire
from bramble.engine.question import Card

TOKENS_A_TURN = 100


class FakeEngine:
    """Speaks `bramble.engine.wire` on one socket."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        turns: int | None,
        *,
        thinks: bool = False,
    ) -> None:
        self._thinks = thinks
        self._reader, self._writer = reader, writer
        self._context = TOKENS_A_TURN * turns if turns else 4096
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._typed: tuple[wire.Turn, ...] = ()

    async def run(self, *, slow_load: bool) -> None:
        """Load, then serve until told to leave."""
        load = await self._receive()
        assert isinstance(load, wire.Load)
        self._send(wire.Loading(0.5))
        if slow_load:
            await asyncio.Event().wait()
        self._send(self._ready(load))
        while not isinstance(message := await self._receive(), wire.Shutdown):
            self._handle(message)

    def _ready(self, load: wire.Load) -> wire.Ready:
        return wire.Ready(
            name=load.name or "Fake",
            description="fake",
            size=1,
            parameters=1,
            context=self._context,
            context_trained=self._context,
            slots=load.slots,
            threads=1,
            load_seconds=0.0,
            template="model",
            card=Card(template="{{ enable_thinking }}" if self._thinks else ""),
        )

    def _handle(self, message: wire.ToEngine) -> None:
        match message:
            case wire.Ping(n):
                self._send(wire.Pong(n, 0, 0, 0, 0, len(self._tasks), 1.0))
            case wire.Generate():
                self._tasks[message.id] = asyncio.create_task(self._generate(message))
            case wire.Cancel(id) if id in self._tasks:
                self._tasks.pop(id).cancel()
                self._emit(wire.Done(id, "cancelled", 0, 0, 0, 1.0, 1.0))
            case wire.Typing(_, turns) if turns:
                self._typed = turns
            case _:
                pass

    async def _generate(self, request: wire.Generate) -> None:
        prompt = TOKENS_A_TURN * (len(request.turns) or 1)
        if prompt > self._context:
            text = "too long"
            code = "context_length_exceeded"
            self._emit(wire.Refused(request.id, code, text, prompt, self._context))
            return
        self._emit(wire.Started(request.id, prompt, 0))
        n, said = 0, len(request.said.tokens)
        async for text in self._pieces(request):
            n += 1
            if n > said:
                self._emit(wire.Piece(request.id, text, n, ids=(n,)))
            if n == request.max_tokens:
                break
        reason = "length" if n == request.max_tokens else "stop"
        self._emit(wire.Done(request.id, reason, prompt, 0, n, 5.0, 10.0))
        del self._tasks[request.id]

    async def _pieces(self, request: wire.Generate) -> AsyncIterator[str]:
        text = request.extras.prompt or request.turns[-1].content
        what, *rest = text.split()
        if what in ("repeat", "write"):
            size, seconds = int(rest[0]), float(rest[1]) if what == "write" else 0.0
            text = text.split(" ", 3 if what == "write" else 2)[-1]
            for start in range(0, len(text), size):
                await asyncio.sleep(seconds)
                yield text[start : start + size]
            return
        told = {"turns": request.turns, "typed": self._typed, "sampling": request.sampling}
        if what in told:
            yield msgspec.json.encode(told[what]).decode()
            return
        if what == "falter":
            what, rest = ("say", rest[1:]) if request.said.tokens else ("die", rest[:1])
        seconds = float(rest[1]) if len(rest) > 1 else 0.0
        for number in range(int(rest[0])):
            if number >= len(request.said.tokens):
                await asyncio.sleep(seconds)
            yield f"{number}字 "
        self._misbehave(what)

    def _misbehave(self, what: str) -> None:
        if what == "die":
            self._writer.write(b"\0\0\1\0" + "半".encode()[:2])
            os.kill(os.getpid(), signal.SIGKILL)
        elif what == "stall":
            time.sleep(3600)
        elif what == "garbage":
            self._writer.write(b"\0\0\0\4ruin")

    def _emit(self, event: wire.Event) -> None:
        self._send(wire.Events((event,)))

    def _send(self, message: wire.ToDaemon) -> None:
        self._writer.write(framing.frame(message))

    async def _receive(self) -> wire.ToEngine:
        size = framing.body_size(await self._reader.readexactly(framing.HEADER_SIZE))
        return framing.parse_to_engine(await self._reader.readexactly(size))


async def main() -> None:
    """Serve the socket whose number comes last."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--refuse-above", type=int)
    parser.add_argument("--slow-load", action="store_true")
    parser.add_argument("--thinks", action="store_true")
    parser.add_argument("descriptor", type=int)
    options = parser.parse_args()
    connection = socket.socket(fileno=options.descriptor)
    reader, writer = await asyncio.open_unix_connection(sock=connection)
    engine = FakeEngine(reader, writer, options.refuse_above, thinks=options.thinks)
    try:
        await engine.run(slow_load=options.slow_load)
    except asyncio.IncompleteReadError:
        return  # the daemon is gone


if __name__ == "__main__":
    asyncio.run(main())
