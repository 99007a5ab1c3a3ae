"""Runs what strangers wrote within a time and a memory bound. Works in the main thread, where signals are handled."""

import resource
import signal
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType


class Overrun(Exception):
    """It took too much; the text goes on after a subject: "ran longer than 2 seconds"."""


class _Alarm(BaseException):
    """Raised by the timer. Not an Exception, so that nothing in between swallows it."""


@contextmanager
def bounded(seconds: float, memory: int) -> Generator[None]:
    """Let the block run so long and grow by so many bytes. Raises Overrun."""

    def overrun(_signal: int, _frame: FrameType | None) -> None:
        raise _Alarm

    limits = resource.getrlimit(resource.RLIMIT_AS)
    handler = signal.signal(signal.SIGALRM, overrun)
    _limit_memory(limits, memory)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except _Alarm:
        raise Overrun(f"ran longer than {seconds:g} seconds") from None
    except MemoryError:
        raise Overrun("asked for too much memory") from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        resource.setrlimit(resource.RLIMIT_AS, limits)
        signal.signal(signal.SIGALRM, handler)


def _limit_memory(limits: tuple[int, int], memory: int) -> None:
    """Bound the address space from what it is now: the only bound a C-level `ljust` obeys."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    bound = pages * resource.getpagesize() + memory
    if limits[0] == resource.RLIM_INFINITY or bound < limits[0]:
        resource.setrlimit(resource.RLIMIT_AS, (bound, limits[1]))
