"""How fast this machine reads memory: every core streams through a block of its own, as decoding streams weights."""

import ctypes
import mmap
import os
import threading
import time

PASSES = 6
ROUNDS = 3
LARGEST_BLOCK = 128 << 20
"""Bytes a core reads; far past any cache of a small board, and in all no more than a quarter of what is available."""
SMALLEST_BLOCK = 8 << 20

_libc = ctypes.CDLL(None)
_libc.memcmp.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)


def memory_bandwidth(cores: list[int], available: int) -> float:
    """Bytes a second that one thread pinned on each of `cores` reads together; the best of some rounds, as in STREAM.

    Each compares two equal halves of its block with libc's memcmp, which reads every byte with the widest loads the
    processor has; ctypes lets the interpreter's lock go meanwhile. `available` bytes of memory are free to use.
    """
    size = min(max(available // 4 // len(cores), SMALLEST_BLOCK), LARGEST_BLOCK)
    blocks = [_Block(size) for _ in cores]
    return max(_read_together(blocks, cores) for _ in range(ROUNDS))


class _Block:
    """Memory that is really there: untouched pages would all be the one page of zeros, and stay in the cache."""

    def __init__(self, size: int) -> None:
        self._memory = mmap.mmap(-1, size)
        self._start = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        self.size = size
        ctypes.memset(self._start, 1, size)

    def read(self) -> None:
        half = self.size // 2
        _libc.memcmp(self._start, self._start + half, half)


def _read_together(blocks: list[_Block], cores: list[int]) -> float:
    start = threading.Barrier(len(cores))
    times: list[tuple[float, float]] = []

    def read(block: _Block, core: int) -> None:
        os.sched_setaffinity(0, {core})
        start.wait()
        began = time.perf_counter()
        for _ in range(PASSES):
            block.read()
        times.append((began, time.perf_counter()))

    threads = [threading.Thread(target=read, args=pair) for pair in zip(blocks, cores, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = max(end for _, end in times) - min(began for began, _ in times)
    return PASSES * sum(block.size for block in blocks) / seconds
