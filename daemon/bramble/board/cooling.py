"""Heat and a weak supply: from readings to how many cores compute, one less at a time and given back one at a time."""

from collections import deque
from statistics import median

from msgspec import Struct

from bramble.board.levels import CRITICAL, TIGHT, Reading
from bramble.board.patience import Patience

STEP = 20.0
"""Seconds that a core less has to show in the temperature before another one goes."""
FAST_STEP = 10.0
"""The same above the hard limit, where half of the cores go at once."""
OVERHEATED = 30.0
"""Seconds above the hard limit on one core before new answers are refused."""
QUIET = 20.0
"""Seconds of cool before a core is given back."""
BAND = 5.0
"""°C below the soft limit that count as cool."""
FALLING = 1.0
"""°C below those of the last step that count as cooling down: what was done is enough."""
_SMOOTH = 5
"""Readings whose median counts: sensors jump by a degree or two."""


class Cooling(Struct, frozen=True):
    """What is asked for: threads that may compute, and whether new answers are refused until it cools."""

    threads: int
    overheated: bool = False


class Heat:
    """Holds what is asked for (`now`); `propose` says what it should be, `move` makes it so. Limits in °C."""

    def __init__(self, cores: int, soft: float, hard: float) -> None:
        self.now = Cooling(cores)
        self.celsius: float | None = None
        self._cores, self._soft, self._hard = cores, soft, hard
        self._recent: deque[float] = deque(maxlen=_SMOOTH)
        self._patience = Patience(QUIET)
        self._stepped: float | None = None
        self._before: float | None = None
        self._too_hot_since: float | None = None

    @property
    def rung(self) -> int:
        """The rung of the ladder that this asks for."""
        if self.now.overheated:
            return CRITICAL
        return TIGHT if self.now.threads < self._cores else 0

    def propose(self, reading: Reading) -> Cooling:
        """What this reading asks for."""
        if reading.celsius is not None:
            self._recent.append(reading.celsius)
            self.celsius = median(self._recent)
        cool = not reading.throttled and (self.celsius is None or self.celsius < self._soft - BAND)
        most = self._most(reading)
        eased = self._eased(most) if cool else self.now
        if self._patience.is_over(eased != self.now, reading.at):
            return eased
        if self.now.threads > most:
            return Cooling(most)
        return self._hotter(reading)

    def move(self, to: Cooling, at: float) -> None:
        """What is asked for changes."""
        if to.threads > self.now.threads or self.now.overheated:
            self._patience.gave_back(at)
        else:
            self._patience.took_away(at)
        self.now, self._stepped, self._before = to, at, self.celsius

    def _most(self, reading: Reading) -> int:
        """Threads that the supply bears: a weak one gets a core less to feed."""
        return max(1, self._cores - 1) if reading.weak_supply else self._cores

    def _eased(self, most: int) -> Cooling:
        if self.now.overheated:
            return Cooling(self.now.threads)
        return Cooling(max(self.now.threads, min(most, self.now.threads + 1)))

    def _hotter(self, reading: Reading) -> Cooling:
        """The same, or less where it is too hot and the last step has shown what it can."""
        since = float("inf") if self._stepped is None else reading.at - self._stepped
        threads = self.now.threads
        if self.celsius is not None and self.celsius >= self._hard:
            if threads > 1:
                return Cooling((threads + 1) // 2) if since >= FAST_STEP else self.now
            return Cooling(1, self.now.overheated or self._too_long(since, reading.at))
        self._too_hot_since = None
        hot = reading.throttled or (self.celsius is not None and self.celsius >= self._soft)
        if hot and threads > 1 and since >= STEP and not self._is_falling():
            return Cooling(threads - 1)
        return self.now

    def _is_falling(self) -> bool:
        if self.celsius is None or self._before is None:
            return False
        return self.celsius <= self._before - FALLING

    def _too_long(self, since_step: float, at: float) -> bool:
        """Whether one core has been too hot for long enough."""
        if self._too_hot_since is None:
            self._too_hot_since = at
        return min(since_step, at - self._too_hot_since) >= OVERHEATED
