"""The one place that talks to systemd: notify, watchdog, passed sockets, journal. Elsewhere all of it does nothing.

systemd-python is imported only where it has work: the daemon's memory is small, and some machines lack the package.
"""

import asyncio
import logging
import os
import socket
import sys
from collections.abc import Callable
from contextlib import suppress


def notify(message: str) -> None:
    """Tell the service manager, in the words of sd_notify(3)."""
    if "NOTIFY_SOCKET" in os.environ:
        with suppress(ImportError):
            from systemd import daemon

            daemon.notify(message)


async def feed_watchdog(is_alive: Callable[[], bool]) -> None:
    """Feed the watchdog from this event loop, twice as often as it asks for, while `is_alive` says so."""
    if (seconds := _watchdog_seconds()) is None:
        return
    while True:
        if is_alive():
            notify("WATCHDOG=1")
        await asyncio.sleep(seconds / 2)


def passed_sockets() -> list[socket.socket]:
    """The listening sockets that systemd opened for this process."""
    if "LISTEN_FDS" in os.environ:
        with suppress(ImportError):
            from systemd import daemon

            return [socket.socket(fileno=descriptor) for descriptor in daemon.listen_fds()]
    return []


def journal() -> logging.Handler | None:
    """A handler that keeps the journal's fields, where stderr goes to the journal anyway."""
    if _is_journal(sys.stderr.fileno()):
        with suppress(ImportError):
            from systemd import journal

            return journal.JournalHandler(SYSLOG_IDENTIFIER="bramble")
    return None


def _watchdog_seconds() -> float | None:
    """How often the manager wants to hear of this process (sd_watchdog_enabled(3))."""
    own = str(os.getpid())
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    if microseconds.isdigit() and os.environ.get("WATCHDOG_PID", own) == own:
        return int(microseconds) / 1e6
    return None


def _is_journal(descriptor: int) -> bool:
    """Whether this is the stream that systemd announced (JOURNAL_STREAM, systemd.exec(5))."""
    status = os.fstat(descriptor)
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"
