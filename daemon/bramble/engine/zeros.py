"""Gives pages back to the kernel that were written with nothing but zeros.

llama.cpp clears a whole new KV cache, which makes every page of it resident, while most conversations use a small part
of it. A private anonymous page that is given back reads as zeros again and costs memory only once it is written.
"""

import ctypes
import mmap
import threading
from collections.abc import Generator
from contextlib import contextmanager

from bramble.engine.maps import Range, advise, anonymous, difference

CHUNK = 256 * 1024
"""Bytes looked at together: a call costs about what reading 16 KiB does."""
LEAST = 1024 * 1024
"""Smaller pieces of new memory, in bytes, are not worth looking at."""
SWEPT = 32 * 1024 * 1024
"""Smaller caches, in bytes, are not looked for: another piece of memory may have their size, like a thread's stack."""
SWEEP_SECONDS = 0.001
"""How often the pages of a cache that is being cleared are given back: clearing fills a few MB meanwhile."""

_libc = ctypes.CDLL(None)
_libc.memcmp.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]


@contextmanager
def zeros_given_back(cache: int = 0) -> Generator[None]:
    """Whatever is newly mapped inside and holds only zeros at the end costs no memory until it is used.

    A new piece that can be nothing but the cache, by its size in bytes, is never resident as a whole: inside it is only
    cleared, so its pages are given back already meanwhile. Nothing else in this process may write to what is new while
    the end is reached.
    """
    before: list[Range] = []
    known, over = threading.Event(), threading.Event()
    sweeper = threading.Thread(target=_sweep, args=(before, cache, known, over))
    if cache >= SWEPT:
        sweeper.start()  # first: its own stack is none of what is new
    before += anonymous()
    known.set()
    try:
        yield
    finally:
        over.set()
        if sweeper.is_alive():
            sweeper.join()
    for start, end in difference(anonymous(), before):
        if end - start >= LEAST:
            _give_back(start, end)


def _sweep(before: list[Range], cache: int, known: threading.Event, over: threading.Event) -> None:
    """Until it is over, keep the cache empty that is filled with zeros; what was there `before` is known first."""
    known.wait()
    found: Range | None = None
    while not over.wait(SWEEP_SECONDS):
        if found is None:
            new = difference(anonymous(), before)
            found = next((each for each in new if cache <= each[1] - each[0] < cache + LEAST), None)
        if found is not None:
            advise(found, mmap.MADV_DONTNEED)


def _give_back(start: int, end: int) -> None:
    for chunk in range(start, end, CHUNK):
        size = min(CHUNK, end - chunk)
        # All bytes are zero where the first is and each equals the one before it.
        zeros = ctypes.c_char.from_address(chunk).value == b"\0" and not _libc.memcmp(
            chunk, chunk + 1, size - 1
        )
        if zeros:
            advise((chunk, chunk + size), mmap.MADV_DONTNEED)  # locked pages refuse: they stay
