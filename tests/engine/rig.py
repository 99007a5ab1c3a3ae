"""Drives a real engine process from a test, over the same socketpair and messages that the daemon uses."""

import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import msgspec

from bramble.engine import framing, wire
from bramble.engine.extras import Extras, Said

DEADLINE = 60.0
NOTHING: Mapping[str, object] = {}


@dataclass(frozen=True)
class Ask:
    """One request; greedy unless it says otherwise."""

    text: str
    system: str = ""
    before: tuple[wire.Turn, ...] = ()
    tokens: int = 16
    stop: tuple[str, ...] = ()
    temperature: float = 0.0
    seed: int | None = None
    extras: Extras = Extras()
    penalty: float = 1.0
    said: Said = Said()
    conversation: str = ""


@dataclass
class Answer:
    """What came back for one request."""

    text: str = ""
    events: list[wire.Event] = field(default_factory=list[wire.Event])
    end: wire.Done | wire.Refused | None = None

    @property
    def started(self) -> wire.Started:
        assert isinstance(self.events[0], wire.Started)
        return self.events[0]

    @property
    def pieces(self) -> list[wire.Piece]:
        return [event for event in self.events if isinstance(event, wire.Piece)]

    def said(self, pieces: int) -> Said:
        """The answer as far as its first pieces."""
        told = self.pieces[:pieces]
        ids = tuple(id for piece in told for id in piece.ids)
        return Said(tokens=ids, shown=sum(len(piece.text) for piece in told))

    @property
    def done(self) -> wire.Done:
        assert isinstance(self.end, wire.Done), self.end
        return self.end


class Rig:
    """One engine process. `first` is what it said after loading: Ready or Unusable.

    `python` may be another machine's, with the emulator in front; `patience` is the longest wait in seconds.
    """

    def __init__(
        self,
        model: Path,
        *,
        context: int = 2048,
        slots: int = 4,
        draft: int = 8,
        changes: Mapping[str, object] = NOTHING,
        python: Sequence[str] = (sys.executable,),
        patience: float = DEADLINE,
    ) -> None:
        ours, theirs = socket.socketpair()
        command = [*python, "-m", "bramble.engine", str(theirs.fileno())]
        env = {**os.environ, "GOMP_SPINCOUNT": "10000"}
        self.process = subprocess.Popen(command, pass_fds=[theirs.fileno()], env=env)
        theirs.close()
        ours.settimeout(patience)
        self._socket = ours
        self._ids = count(1)
        self._answers: dict[int, Answer] = {}
        self.log: list[wire.Event] = []
        self.pongs: list[wire.Pong] = []
        order = wire.Load(str(model), context, slots, 0, 256, 250, draft)
        self.send(msgspec.structs.replace(order, **changes))
        self.first = self._receive()
        while isinstance(self.first, wire.Loading):
            self.first = self._receive()

    def send(self, message: wire.ToEngine) -> None:
        self._socket.sendall(framing.frame(message))

    def ask(self, ask: Ask) -> int:
        """Send one request and return its id; its answer is collected by `wait`."""
        id = next(self._ids)
        head = (wire.Turn("system", ask.system),) if ask.system else ()
        turns = (*head, *ask.before, wire.Turn("user", ask.text))
        sampling = wire.Sampling(
            temperature=ask.temperature, seed=ask.seed, repeat_penalty=ask.penalty
        )
        self._answers[id] = Answer()
        order = wire.Generate(
            id, turns, ask.tokens, ask.stop, sampling, ask.extras, ask.said, ask.conversation
        )
        self.send(order)
        return id

    def answer(self, ask: Ask) -> Answer:
        """Send one request and wait until it is over."""
        return self.wait(self.ask(ask))[0]

    def put(
        self,
        turns: tuple[wire.Turn, ...],
        tokens: int,
        sampling: wire.Sampling,
        extras: Extras,
    ) -> Answer:
        """Send a request as it is and wait until it is over."""
        id = next(self._ids)
        self._answers[id] = Answer()
        self.send(wire.Generate(id, turns, tokens, (), sampling, extras))
        return self.wait(id)[0]

    def wait_for_text(self, id: int) -> None:
        """Read until an answer has begun to show."""
        while not self._answers[id].text:
            self.read()

    def wait(self, *ids: int) -> list[Answer]:
        """Read until all these requests are over."""
        while any(self._answers[id].end is None for id in ids):
            self.read()
        return [self._answers[id] for id in ids]

    def read(self) -> None:
        """Take in one message."""
        message = self._receive()
        if isinstance(message, wire.Pong):
            self.pongs.append(message)
        assert isinstance(message, wire.Events | wire.Pong), message
        for event in message.events if isinstance(message, wire.Events) else ():
            self.log.append(event)
            answer = self._answers[event.id]
            assert answer.end is None, "an event after the end of its answer"
            answer.events.append(event)
            if isinstance(event, wire.Piece):
                answer.text += event.text
            elif isinstance(event, wire.Done | wire.Refused):
                answer.end = event

    def close(self) -> int:
        """Hang up, as a daemon that went away does; returns the engine's exit status."""
        self._socket.close()
        return self.process.wait(DEADLINE)

    def _receive(self) -> wire.ToDaemon:
        size = framing.body_size(self._exactly(framing.HEADER_SIZE))
        return framing.parse_to_daemon(self._exactly(size))

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            block = self._socket.recv(size - len(data))
            assert block, "the engine hung up"
            data += block
        return data
