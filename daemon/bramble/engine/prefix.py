"""What the slots still hold, and how a new prompt makes the most of it: reuse, share, forget, in that order."""

import time

from bramble.engine.aside import Aside, Prefix
from bramble.engine.llama import Context
from bramble.engine.overlap import common_prefix
from bramble.engine.slot import Job, Slot

SMALL_LOSS = 16
"""Tokens that a slot may always drop from its end to go on in place: recomputing them costs one short step."""
LONG_ROWS = 256
"""From so many missing tokens on it pays to clear the cache of idle prefixes first."""


class PrefixCache:
    """The slots of one context. `trims` says whether this model can drop the end of a sequence.

    `aside` bytes may be used for prefixes that make room for others.
    """

    def __init__(self, context: Context, slots: int, *, trims: bool, aside: int = 0) -> None:
        self._context = context
        self._trims = trims
        self._aside = Aside(aside if trims else 0)
        self._keeps_idle = True
        self.slots = [Slot(sequence) for sequence in range(slots)]

    def keep(self, *, aside: float, idle: bool) -> None:
        """Use this part of the bytes for prefixes set aside; whether slots keep theirs after an answer."""
        self._aside.keep(aside)
        self._keeps_idle = idle
        for slot in self.idle():
            self._let_go(slot)

    def idle(self) -> list[Slot]:
        """Slots without a job: empty ones, then the least recently used first."""
        idle = (slot for slot in self.slots if slot.job is None)
        return sorted(idle, key=lambda slot: (bool(slot.held), slot.used))

    def claim(self, job: Job) -> Slot | None:
        """Give a job a slot that holds as much of its prompt as there is; None if all are taken."""
        slot = self.place(job.tokens)
        if slot is not None:
            slot.job, slot.parked = job, False
            job.cached = job.reported = len(slot.held)
            if slot.missing >= LONG_ROWS:
                for other in self.idle():
                    self._set_aside(other)
        return slot

    def place(self, tokens: list[int]) -> Slot | None:
        """An idle slot that holds as much of `tokens` as there is, and nothing else; None if all are taken."""
        idle = self.idle()
        if not idle:
            return None
        source, shared = self._best_source(tokens)
        prefix, size = self._aside.best(tokens)
        if prefix is not None and size > shared + SMALL_LOSS:
            target = self._cheapest(idle, None, 0)
            self._bring_back(prefix, target, size)
            return target
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
        self._let_go(slot)

    def forget(self, slot: Slot) -> None:
        """Drop all of a slot's cells."""
        self._context.forget(slot.sequence)
        slot.held.clear()

    def _let_go(self, slot: Slot) -> None:
        if not self._keeps_idle and slot.held:
            self.forget(slot)

    def make_room(self) -> bool:
        """Free cells: the least recently used idle prefix first, then the youngest job is parked.

        False where only one job holds cells and so nothing can be given up.
        """
        for slot in self.idle():
            if slot.held:
                self._set_aside(slot)
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

    def _set_aside(self, slot: Slot) -> None:
        """Move an idle slot's prefix out of the cache; where there is no memory for it, it stays."""
        if self._alone(slot) > SMALL_LOSS and self._aside.holds(
            self._context.state_size(slot.sequence)
        ):
            self._aside.put(Prefix(slot.held[:], self._context.state(slot.sequence)))
            self.forget(slot)

    def _bring_back(self, prefix: Prefix, target: Slot, size: int) -> None:
        """Fill a slot with the first `size` tokens of a prefix; it stays empty where the cache has no room."""
        self._set_aside(target)
        self.forget(target)
        while not self._context.restore(target.sequence, prefix.state):
            others = [slot for slot in self.idle() if slot is not target and slot.held]
            if not others:
                return
            self._set_aside(others[0])
            self.forget(others[0])
        target.held, target.used = prefix.tokens[:], time.monotonic()
        self._aside.take(prefix, whole=len(prefix.tokens) - size <= SMALL_LOSS)
        self._trim(target, size)

    def _copy(self, source: Slot | None, target: Slot, size: int) -> None:
        self.forget(target)
        if source is not None and size and self._trims:
            self._context.share(source.sequence, target.sequence, size)
            target.held = source.held[:size]
