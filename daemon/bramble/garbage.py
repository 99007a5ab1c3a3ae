"""Python's collector of reference cycles, set for a process that runs for months."""

import gc

THRESHOLDS = 200, 5, 2
"""New containers before the young ones are searched, and searches of each generation before the next: the old ones are
searched after 2,000 new ones, by Python's 700, 10 and 10 after 70,000."""


def settle() -> None:
    """All that was loaded so far stays for good, and is never searched for garbage again.

    Every connection and every answer that was stopped leaves a cycle behind. Python searches the old generation only
    when a quarter as much is new as was old at the last search, which counts the 50,000 objects of the imported
    modules: an hour's garbage waited for that, and then a search of all held every stream up (`daemon/README.md`).
    """
    gc.collect()
    gc.freeze()
    gc.collect()  # forgets how many were old: these count no longer
    gc.set_threshold(*THRESHOLDS)
