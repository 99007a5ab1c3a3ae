"""The memory that this process has mapped (proc(5)), and what the kernel is told about it (madvise(2))."""

import ctypes
import mmap
from pathlib import Path

Range = tuple[int, int]
"""Where a piece of memory begins and where it ends, as addresses."""

_libc = ctypes.CDLL(None)
_libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_long,
]
_FAILED = ctypes.c_void_p(-1).value


def advise(piece: Range, advice: int) -> None:
    """Pass one of mmap's `MADV_` on; what the kernel does not take changes nothing. `piece` begins with a page."""
    _libc.madvise(piece[0], piece[1] - piece[0], advice)


def map_file(file: int, start: int, size: int) -> Range | None:
    """Map `size` bytes of an open file, from `start` on, which begins a page. None where the kernel does not."""
    address = _libc.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, file, start)
    return None if address == _FAILED else (address, address + size)


def unmap(piece: Range) -> None:
    """Take back what `map_file` gave."""
    _libc.munmap(piece[0], piece[1] - piece[0])


def anonymous() -> list[Range]:
    """Private writable memory without a file behind it, by address; none where the kernel does not say."""
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


def difference(now: list[Range], before: list[Range]) -> list[Range]:
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
