"""Pressure stall information: how much time was lost to waiting for memory, and a wake-up when it is much.

Format and triggers: https://docs.kernel.org/accounting/psi.html.
"""

import os
import re
import select
from pathlib import Path

from msgspec import Struct

from bramble.board.cgroup import own_chain
from bramble.board.files import MACHINE, text

_TRIGGER = b"some 200000 2000000"
"""Wake when 0.2 s of 2 s were lost. A window of whole 2 s is what an unprivileged process may ask for."""


class Pressure(Struct, frozen=True):
    """Percent of the last 10 s in which some or all work waited for memory."""

    some: float
    full: float


def read(root: Path = MACHINE) -> Pressure | None:
    """The pressure in this process's own group where it is told, else in the machine; None where it is off."""
    file = source(root)
    told = dict(re.findall(r"^(some|full) avg10=([\d.]+)", text(file) or "", re.MULTILINE))
    return Pressure(float(told["some"]), float(told.get("full", 0))) if "some" in told else None


def source(root: Path = MACHINE) -> Path:
    """The file that tells it; it may be missing."""
    for folder, version in own_chain(root)[:1]:
        file = folder / "memory.pressure"
        if version == 2 and text(file):
            return file
    return _of_machine(root)


def _of_machine(root: Path) -> Path:
    return root / "proc/pressure/memory"


def _triggered(file: Path) -> int:
    """The file, opened, with what is to be told of by POLLPRI. Raises OSError."""
    descriptor = os.open(file, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        os.write(descriptor, _TRIGGER + b"\0")
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


class Alarm:
    """Lets a thread wait: for a time, for rising memory pressure, or until another thread rings."""

    def __init__(self) -> None:
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._trigger: int | None = None
        self._poll = select.poll()
        self._poll.register(self._bell, select.POLLIN)

    def listen(self) -> None:
        """Wake on memory pressure, too: in the group where that is permitted, else in the machine. Raises OSError."""
        try:
            trigger = _triggered(source())
        except OSError:  # a sandbox shows the groups read-only
            trigger = _triggered(_of_machine(MACHINE))
        self._poll.register(trigger, select.POLLPRI)
        self._trigger = trigger

    def wait(self, seconds: float) -> bool:
        """Wait, at most so long; say whether memory pressure ended it."""
        events = dict(self._poll.poll(seconds * 1000))
        pressed = self._trigger is not None and self._trigger in events
        if pressed and events[self._trigger or 0] & select.POLLERR:
            self._forget()  # the group is gone: it would be told again and again
        return pressed

    def ring(self) -> None:
        """End the wait of the other thread, and every later one."""
        os.eventfd_write(self._bell, 1)

    def close(self) -> None:
        """Nobody waits any more."""
        self._forget()
        os.close(self._bell)

    def _forget(self) -> None:
        if self._trigger is not None:
            self._poll.unregister(self._trigger)
            os.close(self._trigger)
            self._trigger = None
