"""Python's collector of reference cycles, set for a process that runs for months."""

import gc

OLD_AFTER = 2
"""Collections of the middle generation before the old one is collected: Python's 10 are 70,000 new containers."""


def settle() -> None:
    """All that was loaded so far stays for good, and is never searched for garbage again.

    Every connection and every answer that was stopped leaves a cycle behind. Python searches the old generation only
    when a quarter as much is new as was old at the last search, which counts the 50,000 objects of the imported
    modules: an hour's garbage waited for that, and then a search of all held every stream up (`daemon/README.md`).
    """
    gc.collect()
    gc.freeze()
    gc.collect()  # forgets how many were old: these count no longer
    gc.set_threshold(*gc.get_threshold()[:2], OLD_AFTER)
