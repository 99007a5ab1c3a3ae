"""How much two token lists have in common at their beginning."""

from collections.abc import Sequence


def common_prefix(left: Sequence[int], right: Sequence[int]) -> int:
    """Length of the longest common beginning of two token lists."""
    low, high = 0, min(len(left), len(right))
    while low < high:  # halving keeps the comparing in C: slices, not tokens
        middle = (low + high + 1) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
