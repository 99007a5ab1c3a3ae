"""Gives pages back to the kernel that were written with nothing but zeros.

llama.cpp clears a whole new KV cache, which makes every page of it resident, while most conversations use a small part
of it. A private anonymous page that is given back reads as zeros again and costs memory only once it is written.
"""

import ctypes
import mmap
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

Range = tuple[int, int]
"""Where a piece of memory begins and where it ends, as addresses."""

CHUNK = 256 * 1024
"""Bytes looked at together: a call costs about what reading 16 KiB does."""
LEAST = 1024 * 1024
"""Smaller pieces of new memory, in bytes, are not worth looking at."""
SWEPT = 32 * 1024 * 1024
"""Smaller caches, in bytes, are not looked for: another piece of memory may have their size, like a thread's stack."""
SWEEP_SECONDS = 0.001
"""How often the pages of a cache that is being cleared are given back: clearing fills a few MB meanwhile."""

_libc = ctypes.CDLL(None, use_errno=True)
_libc.memcmp.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
_libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


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
    before += _anonymous()
    known.set()
    try:
        yield
    finally:
        over.set()
        if sweeper.is_alive():
            sweeper.join()
    for start, end in _difference(_anonymous(), before):
        if end - start >= LEAST:
            _give_back(start, end)


def _sweep(before: list[Range], cache: int, known: threading.Event, over: threading.Event) -> None:
    """Until it is over, keep the cache empty that is filled with zeros; what was there `before` is known first."""
    known.wait()
    found: Range | None = None
    while not over.wait(SWEEP_SECONDS):
        if found is None:
            new = _difference(_anonymous(), before)
            found = next((each for each in new if cache <= each[1] - each[0] < cache + LEAST), None)
        if found is not None:
            _libc.madvise(found[0], found[1] - found[0], mmap.MADV_DONTNEED)


def _give_back(start: int, end: int) -> None:
    for chunk in range(start, end, CHUNK):
        size = min(CHUNK, end - chunk)
        # All bytes are zero where the first is and each equals the one before it.
        zeros = ctypes.c_char.from_address(chunk).value == b"\0" and not _libc.memcmp(
            chunk, chunk + 1, size - 1
        )
        if zeros:
            _libc.madvise(chunk, size, mmap.MADV_DONTNEED)  # locked pages refuse: they stay


def _anonymous() -> list[Range]:
    """Private writable memory without a file behind it, by address; none where the kernel does not say (proc(5))."""
    try:
        lines = Path("/proc/self/maps").read_text().splitlines()
    except OSError:
        return []
    return [_range(line.split()[0]) for line in lines if _is_anonymous(line)]


def _is_anonymous(line: str) -> bool:
    """A line of maps is: range, rights, offset, device, inode and a name, which a heap, a stack or a file has."""
    fields = line.split()
    return len(fields) == 5 and fields[1].startswith("rw-p") and fields[4] == "0"


def _range(text: str) -> Range:
    start, end = text.split("-")
    return int(start, 16), int(end, 16)


def _difference(now: list[Range], before: list[Range]) -> list[Range]:
    """What of `now` is not in `before`; the kernel joins neighbours, so that a new piece may lengthen an old one."""
    left = now
    for old_start, old_end in before:
        left = [
            piece
            for start, end in left
            for piece in ((start, min(end, old_start)), (max(start, old_end), end))
            if piece[0] < piece[1]
        ]
    return left
