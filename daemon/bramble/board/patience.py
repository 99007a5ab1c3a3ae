"""How long things must be quiet before something is given back: longer each time that turned out to be too early."""

QUICK = 60.0
"""Seconds: what goes wrong this soon after it was given back was given back too early."""
LONGEST = 8
"""Times the first wait."""


class Patience:
    """Counts quiet time. All times in seconds of the monotonic clock."""

    def __init__(self, seconds: float) -> None:
        self._first = self._seconds = seconds
        self._quiet_since: float | None = None
        self._given_back: float | None = None

    def is_over(self, quiet: bool, at: float) -> bool:
        """Whether it has been quiet for long enough, now that it is or is not."""
        if not quiet:
            self._quiet_since = None
            return False
        if self._quiet_since is None:
            self._quiet_since = at
        return at - self._quiet_since >= self._seconds

    def gave_back(self, at: float) -> None:
        """Something was given back: wait anew before the next."""
        self._given_back = at
        self._quiet_since = None

    def took_away(self, at: float) -> None:
        """Something had to be taken: if it was just given back, wait twice as long the next time, else half."""
        soon = self._given_back is not None and at - self._given_back < QUICK + self._seconds
        longer, shorter = min(self._seconds * 2, LONGEST * self._first), self._seconds / 2
        self._seconds = longer if soon else max(shorter, self._first)
        self._given_back = self._quiet_since = None
