"""What a loaded engine does without, between two steps and without a reload, as the daemon's guards order it."""

from bramble.engine import heap, wire
from bramble.engine.loading import Loaded
from bramble.engine.threads import pin


class Restraint:
    """Carries out `Limits` on a loaded model; `threads` is how many decode now."""

    def __init__(self, parts: Loaded) -> None:
        self._parts = parts
        self.threads = parts.threads.decode

    def obey(self, limits: wire.Limits) -> None:
        """From now on compute on fewer cores and keep less, or as much as was planned again."""
        planned, most = self._parts.threads, max(1, limits.threads)
        decode, prefill = min(planned.decode, most), min(planned.prefill, most)
        pin(self._parts.context, decode=decode, prefill=prefill, on=self._parts.cores)
        self.threads = decode
        self._parts.cache.keep(aside=limits.aside, idle=limits.idle)
        heap.give_back()
