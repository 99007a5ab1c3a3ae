"""The engine's end of the socketpair: whole messages in, whole messages out, no threads."""

import select
import socket

from bramble.engine import framing, wire


class Channel:
    """Blocking frames over one socket. A daemon that went away reads as `Shutdown`."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._poll = select.poll()
        self._poll.register(connection, select.POLLIN)
        self._buffer = bytearray()

    def send(self, message: wire.ToDaemon) -> None:
        """Send one message, waiting for the daemon to take it. Raises OSError once it is gone."""
        self._socket.sendall(framing.frame(message))

    def receive(self, *, wait: bool) -> list[wire.ToEngine]:
        """Every message that is here; with `wait`, at least one."""
        messages = self._parse()
        while not messages:
            if not self._poll.poll(None if wait else 0):
                break
            block = self._read()
            if not block:
                return [wire.Shutdown()]
            self._buffer += block
            messages = self._parse()
        return messages

    def _read(self) -> bytes:
        try:
            return self._socket.recv(1 << 18)
        except ConnectionError:
            return b""

    def _parse(self) -> list[wire.ToEngine]:
        messages: list[wire.ToEngine] = []
        start = 0
        while (body := start + framing.HEADER_SIZE) <= len(self._buffer):
            end = body + framing.body_size(bytes(self._buffer[start:body]))
            if end > len(self._buffer):
                break
            messages.append(framing.parse_to_engine(bytes(self._buffer[body:end])))
            start = end
        del self._buffer[:start]
        return messages
