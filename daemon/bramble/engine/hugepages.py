"""Weights in huge pages: each token reads all of them, and with 4 KiB pages the processor looks one up 85,000 times.

Most systems give huge pages to whoever asks only (`/sys/kernel/mm/transparent_hugepage/enabled`); llama.cpp does not.
"""

import mmap
from collections.abc import Callable

from bramble.engine.maps import advise, anonymous, difference

LEAST = 8 << 20
"""Smaller pieces of new memory, in bytes, are no weights: vocabularies and lists of tensors are."""


def in_huge_pages(progress: Callable[[float], None]) -> Callable[[float], None]:
    """`progress` of a load, which asks for huge pages when it is called first: the memory is there then, and empty.

    What the kernel cannot give stays in small pages, mapped files do anyway. No memory is needed beyond the weights'.
    """
    before = anonymous()
    asked = False

    def report(fraction: float) -> None:
        nonlocal asked
        if not asked:
            asked = True
            for start, end in difference(anonymous(), before):
                if end - start >= LEAST:
                    advise((start, end), mmap.MADV_HUGEPAGE)
        progress(fraction)

    return report
