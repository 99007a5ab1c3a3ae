"""Which file is the best on this machine: compares what was measured. It measures nothing itself."""

from bramble.engine.tasks import Inspected
from bramble.models.tuned import Row

QUANTIZATIONS = ("IQ4_NL", "Q4_0", "IQ4_NL+Q4_1")
"""What is tried: the 4-bit types that llama.cpp repacks for ARM. IQ4_NL loses less at the same size.

With a tied embedding a repacked head is a second copy of it in memory: Q4_1, which is never repacked, is held once.
"""

FAST = frozenset({"iq4_nl", "q4_0"})

NOISE = 0.03
"""Speeds and sizes nearer than this are the same: two runs on a quiet board differ by as much."""

UNNOTICED = 0.1
"""Nobody notices a tenth in speed; a sixth of the memory is room for thousands of tokens more."""

FAST_SHARE = 0.9
"""A file with more of its bytes in the fast types has nothing left to gain."""

MUCH_SMALLER = 1.1


def already_fast(inspected: Inspected) -> bool:
    """Whether no candidate could be smaller, or the source has only types that are as fast."""
    total = sum(inspected.bytes_by_type.values())
    fast = sum(inspected.bytes_by_type.get(each, 0) for each in FAST)
    smallest = min(inspected.sizes.values())
    if smallest > MUCH_SMALLER * total:
        return True
    return fast > FAST_SHARE * total and smallest > (1 - NOISE) * total


def choose(rows: list[Row], loss_limit: float) -> Row | None:
    """The best candidate within the limit: of the fast ones the smallest in memory, of those the nearest to the source.

    None where none gains anything over the source.
    """
    (source,) = (row for row in rows if row.kind == "source")
    within = [row for row in rows if row.kind == "candidate" and row.mean_kl <= loss_limit]
    if not within:
        return None
    top = max(row.tokens_per_second for row in within)
    fast = [row for row in within if row.tokens_per_second >= (1 - UNNOTICED) * top]
    least = min(row.peak_memory_bytes for row in fast)
    small = [row for row in fast if row.peak_memory_bytes <= (1 + NOISE) * least]
    best = min(small, key=lambda row: row.mean_kl)
    return best if _gains(best, source) else None


def _gains(row: Row, source: Row) -> bool:
    speed = row.tokens_per_second / source.tokens_per_second
    smaller = row.file_bytes <= (1 - NOISE) * source.file_bytes
    return speed >= 1 + NOISE or (smaller and speed >= 1 - NOISE)


def summary(rows: list[Row], chosen: Row | None, loss_limit: float) -> str:
    """What was gained and lost, or why nothing was, in plain words."""
    (source,) = (row for row in rows if row.kind == "source")
    if chosen is not None:
        return _gained(chosen, source)
    candidates = [row for row in rows if row.kind == "candidate"]
    nearest = min(candidates, key=lambda row: row.mean_kl)
    if nearest.mean_kl > loss_limit:
        return (
            f"No type stays within a loss of {loss_limit:g}: the nearest to the source is {nearest.name} with"
            f" {nearest.mean_kl:.3f}. Nothing was kept; a larger --loss would accept it."
        )
    return (
        "Nothing was gained: no type within the loss is faster or smaller here. Nothing was kept."
    )


def _gained(chosen: Row, source: Row) -> str:
    ratio = chosen.tokens_per_second / source.tokens_per_second
    speed = (
        f"writes {ratio:.2f} times as fast as the source"
        if abs(ratio - 1) >= NOISE
        else "writes as fast as the source"
    )
    return (
        f"{chosen.name} {speed} ({chosen.tokens_per_second:.1f} instead of {source.tokens_per_second:.1f}"
        " tokens a second)"
        f" and takes {chosen.file_bytes / 1e6:,.0f} instead of {source.file_bytes / 1e6:,.0f} MB."
        f" It finds another next token likeliest at {1 - chosen.same_top:.0%} of the positions tried"
        f" (mean KL divergence {chosen.mean_kl:.3f})."
    )
