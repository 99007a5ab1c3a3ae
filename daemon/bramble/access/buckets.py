"""Token buckets by name: how often somebody may do something, and how long to wait for the next time."""

import time
from collections.abc import Callable

MOST = 4096
"""Names that are remembered; one that was forgotten starts anew, and those that matter ask all the time."""


class Buckets:
    """Each name holds `size` at first and gets one back every `seconds`."""

    def __init__(
        self, size: float, seconds: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._size, self._seconds, self._clock = size, seconds, clock
        self._full_at: dict[str, float] = {}

    def wait(self, name: str) -> float:
        """Seconds until this name may take one; 0 is now."""
        missing = max(0.0, self._full_at.get(name, 0.0) - self._clock())
        return max(0.0, missing - (self._size - 1) * self._seconds)

    def take(self, name: str) -> float:
        """Take one and return 0, or take none and return the seconds to wait."""
        now = self._clock()
        if wait := self.wait(name):
            return wait
        full_at = max(self._full_at.pop(name, 0.0), now) + self._seconds
        self._full_at[name] = full_at
        if len(self._full_at) > MOST:
            self._forget(now)
        return 0.0

    def give_back(self, name: str) -> None:
        """What was taken last counts as not taken."""
        if name in self._full_at:
            self._full_at[name] -= self._seconds

    def clear(self, name: str) -> None:
        """Begin anew with this one."""
        self._full_at.pop(name, None)

    def _forget(self, now: float) -> None:
        """Those that are full again; where there are none, the half that took something longest ago."""
        kept = {name: full for name, full in self._full_at.items() if full > now}
        if len(kept) > MOST:
            kept = dict(list(kept.items())[MOST // 2 :])
        self._full_at = kept
