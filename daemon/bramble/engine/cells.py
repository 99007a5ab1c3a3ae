"""The cells of a context: what slots hold leaves the cache, comes back, is cut, moved, copied, forgotten."""

import time
from itertools import accumulate

from bramble.engine.aside import Aside, Prefix
from bramble.engine.checkpoints import Checkpoint, Checkpoints
from bramble.engine.context import Context
from bramble.engine.overlap import common_prefix
from bramble.engine.shift import Gap
from bramble.engine.slot import Slot
from bramble.engine.ways import Way

SMALL_LOSS = 16
"""Tokens that a slot may always drop from its end to go on in place: recomputing them costs one short step."""
MANY_CELLS = 256
"""From so many cells on that become free it pays to move what may lie behind them."""


class Cells:
    """Of `slots`, and beside them what makes room for others: whole prefixes and checkpoints, in `aside` bytes.

    `trims` says whether this model can drop the end of a sequence.
    """

    def __init__(self, context: Context, slots: list[Slot], *, trims: bool, aside: int) -> None:
        self._context, self.slots = context, slots
        self._moves = trims and not context.window
        self._bytes = self._allowed = aside
        self.marks = aside > 0 and (not trims or context.window > 0)
        """Whether prompts are to be marked with places for checkpoints."""
        # A recurrent model's checkpoint is all there is of a sequence.
        self.aside = Aside(0 if context.recurrent else aside // 2 if self.marks else aside)
        self.checkpoints = Checkpoints(aside if self.marks else 0)

    def keep(self, part: float) -> None:
        """Use this part of the bytes from now on."""
        self.aside.keep(part)
        self._allowed = int(self._bytes * part)
        self._balance()

    def idle(self) -> list[Slot]:
        """Slots without a job: empty ones, then the least recently used first."""
        idle = (slot for slot in self.slots if slot.job is None)
        return sorted(idle, key=lambda slot: (bool(slot.held), slot.used))

    def alone(self, slot: Slot) -> int:
        """How many of a slot's tokens no other slot holds as well."""
        others = (common_prefix(slot.held, o.held) for o in self.slots if o is not slot)
        return len(slot.held) - max(others, default=0)

    def in_use(self) -> int:
        """How many cells hold something: what slots have in common is there once."""
        total, seen = 0, list[list[int]]()
        for slot in self.slots:
            total += len(slot.held) - max((common_prefix(slot.held, s) for s in seen), default=0)
            seen.append(slot.held)
        return total

    def forget(self, slot: Slot) -> None:
        """Drop all of a slot's cells."""
        self._context.forget(slot.sequence)
        slot.held.clear()
        slot.answered = 0

    def trim(self, slot: Slot, size: int, checkpoint: Checkpoint | None = None) -> None:
        """Drop what is behind the first `size` tokens; all, where the model can neither do that nor go back to one."""
        if size < len(slot.held) and not self._cut(slot, size, checkpoint):
            self.forget(slot)
        del slot.held[size:]

    def _cut(self, slot: Slot, size: int, checkpoint: Checkpoint | None) -> bool:
        if checkpoint is None:
            whole = self._context.covers(slot.sequence, size)
        else:
            whole = self._context.restore(slot.sequence, checkpoint.state, part=True)
        return whole and self._context.forget(slot.sequence, size)

    def checkpoint(self, slot: Slot) -> None:
        """Keep what a slot's tokens have made of the model's state, so that it can be gone back to."""
        if self.marks and slot.held and not self.checkpoints.knows(slot.held):
            size = self._context.state_size(slot.sequence, part=True)
            if self.checkpoints.holds(size):
                state = self._context.state(slot.sequence, part=True)
                self.checkpoints.put(slot.held[:], state, slot.conversation)

    def set_aside(self, slot: Slot, *, evict: bool = True) -> None:
        """Move an idle slot's prefix out of the cache; where there is no memory for it, it stays.

        To `evict` older ones may make room for it.
        """
        if self.alone(slot) <= SMALL_LOSS:
            return
        if self._context.recurrent:
            self.checkpoint(slot)
        elif self.aside.holds(self._context.state_size(slot.sequence), evict=evict):
            self.aside.put(self.prefix(slot))
            self.forget(slot)
            self._balance()

    def close_ranks(self, before: int) -> None:
        """Where many of the cells that were `in_use` before are free, move whoever may lie behind them, running or not.

        A step scans all cells up to the last in use, and what was placed behind others stays there when they go.
        The shortest move, as many as what is free holds at once: what they have in common is there twice meanwhile.
        Nobody does where the model cannot drop a part of a sequence or does not keep one.
        """
        freed = before - self.in_use()
        if freed < MANY_CELLS or not self._moves:
            return
        holders = sorted(
            (slot for slot in self.slots if slot.held), key=lambda slot: len(slot.held)
        )
        moving = sum(end <= freed for end in accumulate(len(slot.held) for slot in holders))
        there = holders[moving:]
        for slot in holders[:moving]:
            if self._move(slot):
                self._join(slot, there)
                there.append(slot)

    def _move(self, slot: Slot) -> bool:
        """Whether it lies elsewhere now. On the way it takes memory, no more than what is set aside may."""
        if not 0 < self._context.state_size(slot.sequence) <= self._allowed:
            return False
        state = self._context.state(slot.sequence)
        self._context.forget(slot.sequence)
        if not self._context.restore(slot.sequence, state):
            self.forget(slot)
        return bool(slot.held)

    def _join(self, slot: Slot, others: list[Slot]) -> None:
        """What it holds in common with one of these, it had in the same cells."""
        size, source = max(
            ((common_prefix(slot.held, other.held), other) for other in others),
            key=lambda shared: shared[0],
            default=(0, slot),
        )
        if size:
            self._context.join(source.sequence, slot.sequence, size)

    def _balance(self) -> None:
        """Checkpoints have what prefixes leave."""
        self.checkpoints.bound(self._allowed - self.aside.size if self.marks else 0)

    def bring_back(self, prefix: Prefix, target: Slot, size: int) -> None:
        """Fill a slot with the first `size` tokens of a prefix; it stays empty where the cache has no room."""
        checkpoint = self.checkpoints.best(prefix.tokens, size) if self.marks else None
        self.set_aside(target)
        self.forget(target)
        while not self._context.restore(target.sequence, prefix.state):
            others = [slot for slot in self.idle() if slot is not target and slot.held]
            if not others:
                return
            self.set_aside(others[0])
            self.forget(others[0])
        target.held, target.used = prefix.tokens[:], time.monotonic()
        target.conversation, target.answered = prefix.conversation, prefix.answered
        self.aside.take(prefix, whole=len(prefix.tokens) - size <= SMALL_LOSS)
        self.trim(target, size, checkpoint)

    def emptied(self, slot: Slot) -> bool:
        """Empty an idle slot if that loses nothing."""
        self.set_aside(slot)
        if slot.held and self.alone(slot) <= SMALL_LOSS:
            self.forget(slot)
        return not slot.held

    def copy(self, way: Way, target: Slot, tokens: list[int]) -> None:
        """Fill a slot with what a way into these tokens gives; the source keeps its own."""
        self.set_aside(target)
        self.forget(target)
        if way.source is not None and way.size:
            self._context.share(way.source.sequence, target.sequence, way.size)
        if way.checkpoint is None or self._context.restore(
            target.sequence, way.checkpoint.state, part=True
        ):
            target.held = tokens[: way.size]
        else:
            self.forget(target)

    def close(self, slot: Slot, gap: Gap, tokens: list[int], sharers: list[Slot]) -> None:
        """Leave a gap out; what others (`Ways.sharers`) hold of it as it was goes where the memory allows."""
        for other in sharers:
            self.set_aside(other)
            self.forget(other)
        self.trim(slot, gap.used)
        if slot.held:
            self._context.shift(slot.sequence, gap.start, gap.end)
            slot.held = tokens[: gap.size]
            if not self._context.covers(slot.sequence, gap.size):
                self.forget(slot)

    def prefix(self, slot: Slot) -> Prefix:
        """What a slot holds, as bytes."""
        state = self._context.state(slot.sequence)
        return Prefix(slot.held[:], state, slot.conversation, slot.answered, slot.used)
