"""glibc's allocator, told to give memory back; other C libraries have no such functions, and nothing happens there."""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Of malloc.h."""
LARGE = 4 << 20
"""Bytes from which on a block is one of its own: states of some hundred tokens, but no list of a vocabulary, which is
made and freed for every token."""
SPARE = 8 << 20
"""Free bytes at the heap's end that stay there."""

_libc = ctypes.CDLL(None)


def part() -> None:
    """Large blocks go back to the system when they are freed.

    Else glibc raises its bound with each one that is freed, up to 32 MiB, and states of all sizes come and go in one
    heap: it never gets smaller, and creeps up for as long as a larger one finds no hole.
    """
    mallopt = getattr(_libc, "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGE)
        mallopt(M_TRIM_THRESHOLD, SPARE)


def give_back() -> None:
    """Free pages that the heap holds go back to the system now."""
    trim = getattr(_libc, "malloc_trim", None)
    if trim is not None:
        trim(0)
