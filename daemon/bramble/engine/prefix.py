"""What the slots still hold, and how a new prompt makes the most of it: reuse, share, forget, in that order."""

import time
from collections.abc import Sequence

from bramble.engine.llama import Context
from bramble.engine.slot import Job, Slot

SMALL_LOSS = 16
"""Tokens that a slot may always drop from its end to go on in place: recomputing them costs one short step."""


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


class PrefixCache:
    """The slots of one context. `trims` says whether this model can drop the end of a sequence."""

    def __init__(self, context: Context, slots: int, *, trims: bool) -> None:
        self._context = context
        self._trims = trims
        self.slots = [Slot(sequence) for sequence in range(slots)]

    def idle(self) -> list[Slot]:
        """Slots without a job, least recently used first."""
        return sorted((s for s in self.slots if s.job is None), key=lambda s: s.used)

    def claim(self, job: Job) -> Slot | None:
        """Give a job a slot that holds as much of its prompt as there is; None if all are taken."""
        slot = self.place(job.tokens)
        if slot is not None:
            slot.job, slot.parked = job, False
            job.cached = job.reported = len(slot.held)
        return slot

    def place(self, tokens: list[int]) -> Slot | None:
        """An idle slot that holds as much of `tokens` as there is, and nothing else; None if all are taken."""
        idle = self.idle()
        if not idle:
            return None
        source, shared = self._best_source(tokens)
        target = self._cheapest(idle, source, shared)
        if target is source:
            self._trim(target, shared)
        else:
            self._copy(source, target, shared)
        target.used = time.monotonic()
        return target

    def release(self, slot: Slot) -> None:
        """The job is over; its cells stay for whoever goes on from there."""
        if slot.job is not None:
            slot.job.sampler.close()
        slot.job, slot.parked, slot.used = None, False, time.monotonic()

    def forget(self, slot: Slot) -> None:
        """Drop all of a slot's cells."""
        self._context.forget(slot.sequence)
        slot.held.clear()

    def make_room(self) -> bool:
        """Free cells: the least recently used idle prefix first, then the youngest job is parked.

        False where only one job holds cells and so nothing can be given up.
        """
        for slot in self.idle():
            if slot.held:
                self.forget(slot)
                return True
        active = [s for s in self.slots if s.job is not None and not s.parked]
        if len(active) < 2:
            return False
        youngest = max(active, key=lambda slot: slot.job.began if slot.job else 0.0)
        self.forget(youngest)
        youngest.parked = True
        return True

    def unpark(self) -> None:
        """Let parked jobs go on, oldest first, as far as what the active ones may still need leaves room."""
        parked = [slot for slot in self.slots if slot.parked]
        active = [slot for slot in self.slots if slot.job is not None and not slot.parked]
        for slot in sorted(parked, key=lambda slot: slot.job.began if slot.job else 0.0):
            need = sum(len(s.job.tokens) for s in [*active, slot] if s.job)
            if active and need > self._context.size:
                return
            slot.parked = False
            active.append(slot)

    def _best_source(self, tokens: list[int]) -> tuple[Slot | None, int]:
        """The slot that holds the longest usable beginning of `tokens`, and its length (never all of them)."""
        best, longest = None, 0
        for slot in self.slots:
            size = min(common_prefix(slot.held, tokens), len(tokens) - 1)
            if not self._trims and (slot.job is not None or size < len(slot.held)):
                continue
            if size > longest:
                best, longest = slot, size
        return best, longest

    def _cheapest(self, idle: list[Slot], source: Slot | None, shared: int) -> Slot:
        """Where the least that somebody may come back for is lost: in the source itself, or in the oldest other."""
        others = [slot for slot in idle if slot is not source]
        if source is None or source.job is not None:
            return others[0]
        if not others or len(source.held) - shared <= max(SMALL_LOSS, self._alone(others[0])):
            return source
        return others[0]

    def _alone(self, slot: Slot) -> int:
        """How many of a slot's tokens no other slot holds as well."""
        others = (common_prefix(slot.held, o.held) for o in self.slots if o is not slot)
        return len(slot.held) - max(others, default=0)

    def _trim(self, slot: Slot, size: int) -> None:
        if size < len(slot.held) and not self._context.forget(slot.sequence, size):
            self.forget(slot)
        del slot.held[size:]

    def _copy(self, source: Slot | None, target: Slot, size: int) -> None:
        self.forget(target)
        if source is not None and size and self._trims:
            self._context.share(source.sequence, target.sequence, size)
            target.held = source.held[:size]
