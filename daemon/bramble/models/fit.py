"""Whether a model could be held by a board, told from the size of its file alone: the exact plan needs the file."""

SHARE, BESIDE = 1.1, 100_000_000
"""Memory per byte of file and beside it, as the engine's own advice reckons (`engine/plan`)."""


def fits(size: int, memory: int) -> bool:
    """Whether a file of `size` bytes could be loaded by a board that has `memory` bytes to give."""
    return size * SHARE + BESIDE <= memory
