"""What the slots still hold, and how a new prompt makes the most of it: reuse, share, forget, in that order."""

import time
from collections.abc import Iterator

from bramble.engine.aside import Aside, Prefix
from bramble.engine.checkpoints import Checkpoint, Checkpoints
from bramble.engine.kept import KeptFiles
from bramble.engine.keptfile import Kept
from bramble.engine.llama import Context
from bramble.engine.overlap import common_prefix
from bramble.engine.shift import Gap
from bramble.engine.slot import Job, Slot
from bramble.engine.ways import Way, Ways

SMALL_LOSS = 16
"""Tokens that a slot may always drop from its end to go on in place: recomputing them costs one short step."""
NO_TOKEN = -1
"""Stands for whatever is asked next."""
LONG_ROWS = 256
"""From so many missing tokens on it pays to clear the cache of idle prefixes first."""


class PrefixCache:
    """The slots of one context. `trims` says whether this model can drop the end of a sequence.

    `aside` bytes may be used for prefixes that make room for others, and for checkpoints where the model needs them;
    `files` hold what was kept on disk.
    """

    def __init__(
        self,
        context: Context,
        slots: int,
        *,
        trims: bool,
        aside: int = 0,
        files: KeptFiles | None = None,
    ) -> None:
        self._context, self._files = context, files
        self._trims = trims
        self._bytes = self._allowed = aside
        self.marks = aside > 0 and (not trims or context.window > 0)
        """Whether prompts are to be marked with places for checkpoints."""
        # A recurrent model's checkpoint is all there is of a sequence.
        self._aside = Aside(0 if context.recurrent else aside // 2 if self.marks else aside)
        self._checkpoints = Checkpoints(aside if self.marks else 0)
        self._keeps_idle = True
        self.slots = [Slot(sequence) for sequence in range(slots)]
        self._ways = Ways(context, self.slots, self._aside, self._checkpoints, trims=trims)

    def keep(self, *, aside: float, idle: bool) -> None:
        """Use this part of the bytes for what is not in the cache; whether slots keep theirs after an answer."""
        self._aside.keep(aside)
        self._allowed = int(self._bytes * aside)
        self._balance()
        self._keeps_idle = idle
        for slot in self.idle():
            self._let_go(slot)

    def idle(self) -> list[Slot]:
        """Slots without a job: empty ones, then the least recently used first."""
        idle = (slot for slot in self.slots if slot.job is None)
        return sorted(idle, key=lambda slot: (bool(slot.held), slot.used))

    def claim(self, job: Job) -> Slot | None:
        """Give a job a slot that holds as much of its prompt as there is; None if all are taken."""
        slot = self.place(job.tokens, job.conversation)
        if slot is not None:
            slot.job, slot.parked = job, False
            job.cached = job.reported = len(slot.held)
            if slot.missing >= LONG_ROWS and not self._context.recurrent:
                for other in self.idle():
                    self._set_aside(other)
        return slot

    def place(self, tokens: list[int], conversation: str = "") -> Slot | None:
        """An idle slot that holds as much of `tokens` as there is, and nothing else; None if all are taken."""
        slot = self._place(tokens, conversation)
        if slot is not None:
            own = slot.conversation == conversation
            slot.conversation = conversation
            slot.answered = min(slot.answered, len(slot.held)) if own else 0
        return slot

    def _place(self, tokens: list[int], conversation: str) -> Slot | None:
        idle = self.idle()
        if not idle:
            return None
        way = self._ways.best(tokens, conversation)
        prefix, size = self._aside.best(tokens, self._ways.usable)
        if kept := self._on_disk(tokens, conversation, beyond=max(way.rank, size)):
            return self._read_back(kept, self._cheapest(idle, Way()), tokens, conversation)
        longer = self._ways.longer(tokens, conversation, beyond=max(way.rank, size))
        if longer is not None:
            self._bring_back(longer, self._cheapest(idle, Way()), len(longer.tokens))
            way = self._ways.best(tokens, conversation)
        elif prefix is not None and size > way.rank + SMALL_LOSS:
            target = self._cheapest(idle, Way())
            self._bring_back(prefix, target, size)
            return target
        target = self._cheapest(idle, way)
        if way.gap is not None:
            self._close(target, way.gap, tokens)
        elif target is way.source:
            self._trim(target, way.size, way.checkpoint)
        else:
            self._copy(way, target, tokens)
        target.used = time.monotonic()
        return target

    def release(self, slot: Slot) -> None:
        """The job is over; its cells stay for whoever goes on from there."""
        if slot.job is not None:
            slot.job.sampler.close()
            slot.answered = len(slot.held) if slot.conversation else 0
        slot.job, slot.parked, slot.used = None, False, time.monotonic()
        self._let_go(slot)

    def forget(self, slot: Slot) -> None:
        """Drop all of a slot's cells."""
        self._context.forget(slot.sequence)
        slot.held.clear()
        slot.answered = 0

    def checkpoint(self, slot: Slot) -> None:
        """Keep what a slot's tokens have made of the model's state, so that it can be gone back to."""
        if self.marks and slot.held and not self._checkpoints.knows(slot.held):
            size = self._context.state_size(slot.sequence, part=True)
            if self._checkpoints.holds(size):
                state = self._context.state(slot.sequence, part=True)
                self._checkpoints.put(slot.held[:], state, slot.conversation)

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

    def _close(self, slot: Slot, gap: Gap, tokens: list[int]) -> None:
        """Leave a gap out; what others still hold of the conversation as it was goes where the memory allows."""
        for other in self._ways.sharers(slot, gap):
            self._set_aside(other)
            self.forget(other)
        self._trim(slot, gap.used)
        if slot.held:
            self._context.shift(slot.sequence, gap.start, gap.end)
            slot.held = tokens[: gap.size]
            if not self._context.covers(slot.sequence, gap.size):
                self.forget(slot)

    def _cheapest(self, idle: list[Slot], way: Way) -> Slot:
        """Where the least that somebody may come back for is lost: in the source itself, or in the oldest other."""
        source = way.source
        others = [slot for slot in idle if slot is not source]
        if source is not None and way.gap is not None:
            return source
        if source is None or source.job is not None:
            return others[0]
        if not others or len(source.held) - way.size <= max(SMALL_LOSS, self._alone(others[0])):
            return source
        return others[0]

    def _alone(self, slot: Slot) -> int:
        """How many of a slot's tokens no other slot holds as well."""
        others = (common_prefix(slot.held, o.held) for o in self.slots if o is not slot)
        return len(slot.held) - max(others, default=0)

    def _trim(self, slot: Slot, size: int, checkpoint: Checkpoint | None = None) -> None:
        if size < len(slot.held) and not self._cut(slot, size, checkpoint):
            self.forget(slot)
        del slot.held[size:]

    def _cut(self, slot: Slot, size: int, checkpoint: Checkpoint | None) -> bool:
        if checkpoint is None:
            whole = self._context.covers(slot.sequence, size)
        else:
            whole = self._context.restore(slot.sequence, checkpoint.state, part=True)
        return whole and self._context.forget(slot.sequence, size)

    def _set_aside(self, slot: Slot) -> None:
        """Move an idle slot's prefix out of the cache; where there is no memory for it, it stays."""
        if self._alone(slot) <= SMALL_LOSS:
            return
        if self._context.recurrent:
            self.checkpoint(slot)
        elif self._aside.holds(self._context.state_size(slot.sequence)):
            self._aside.put(self._prefix(slot))
            self.forget(slot)
            self._balance()

    def _balance(self) -> None:
        """Checkpoints have what prefixes leave."""
        self._checkpoints.bound(self._allowed - self._aside.size if self.marks else 0)

    def _bring_back(self, prefix: Prefix, target: Slot, size: int) -> None:
        """Fill a slot with the first `size` tokens of a prefix; it stays empty where the cache has no room."""
        checkpoint = self._checkpoints.best(prefix.tokens, size) if self.marks else None
        self._set_aside(target)
        self.forget(target)
        while not self._context.restore(target.sequence, prefix.state):
            others = [slot for slot in self.idle() if slot is not target and slot.held]
            if not others:
                return
            self._set_aside(others[0])
            self.forget(others[0])
        target.held, target.used = prefix.tokens[:], time.monotonic()
        target.conversation, target.answered = prefix.conversation, prefix.answered
        self._aside.take(prefix, whole=len(prefix.tokens) - size <= SMALL_LOSS)
        self._trim(target, size, checkpoint)

    def _prefix(self, slot: Slot) -> Prefix:
        """What a slot holds, as bytes."""
        state = self._context.state(slot.sequence)
        return Prefix(slot.held[:], state, slot.conversation, slot.answered, slot.used)

    def _copy(self, way: Way, target: Slot, tokens: list[int]) -> None:
        self._set_aside(target)
        self.forget(target)
        if way.source is not None and way.size:
            self._context.share(way.source.sequence, target.sequence, way.size)
        if way.checkpoint is None or self._context.restore(
            target.sequence, way.checkpoint.state, part=True
        ):
            target.held = tokens[: way.size]
        else:
            self.forget(target)

    # ── what outlives this process ───────────────────────────────────────────────────────────────

    def _on_disk(self, tokens: list[int], conversation: str, *, beyond: int) -> Kept | None:
        """A state on disk that saves more than `beyond` tokens, and more time than it takes to read."""
        if self._files is None:
            return None
        kept, size = self._files.best(tokens, conversation)
        cuts = self._trims and not self._context.window
        if kept is None or (size < len(kept.tokens) and not cuts):
            return None
        gain = size - beyond
        return kept if gain > SMALL_LOSS and self._files.pays(gain, kept.size) else None

    def _read_back(
        self, kept: Kept, target: Slot, tokens: list[int], conversation: str
    ) -> Slot | None:
        """Fill a slot from disk; from what else there is where the file turns out to be damaged."""
        state = self._files.read(kept) if self._files is not None else None
        if self._files is None or state is None:
            return self._place(tokens, conversation)
        owner, size = ("", 0) if kept.of_role else (conversation, len(kept.tokens))
        prefix = Prefix(kept.tokens, state, owner, size)
        self._bring_back(prefix, target, min(common_prefix(kept.tokens, tokens), len(tokens) - 1))
        self._files.worked(kept)
        return target

    def warm(self) -> None:
        """Before anybody asks: fetch the role that was asked last from the disk."""
        role = self._files.newest_role() if self._files is not None else None
        if role is not None and not any(slot.held for slot in self.slots):
            self.place([*role.tokens, NO_TOKEN])

    def snapshot(self, tokens: list[int], *, last: bool) -> bytearray | None:
        """The state of exactly these tokens, where a slot holds them and another can take a copy.

        The `last` time a slot may lose what comes behind them instead.
        """
        holders = [slot for slot in self.slots if slot.held[: len(tokens)] == tokens]
        for slot in holders:
            if len(slot.held) == len(tokens):
                return self._context.state(slot.sequence)
        holders = [slot for slot in holders if self._context.covers(slot.sequence, len(tokens))]
        if not holders or not self._trims:
            return None
        if last:
            self._trim(holders[0], len(tokens))
            return self._context.state(holders[0].sequence)
        spare = next((slot for slot in self.idle() if slot is not holders[0]), None)
        if spare is None or not self._emptied(spare):
            return None
        self._context.share(holders[0].sequence, spare.sequence, len(tokens))
        state = self._context.state(spare.sequence)
        self._context.forget(spare.sequence)
        return state

    def _emptied(self, slot: Slot) -> bool:
        """Empty an idle slot if that loses nothing."""
        self._set_aside(slot)
        if slot.held and self._alone(slot) <= SMALL_LOSS:
            self.forget(slot)
        return not slot.held

    def hot(self) -> Iterator[Prefix]:
        """What stored conversations hold, the newest first. Slots lose what was typed behind that."""
        idle = [slot for slot in self.slots if slot.job is None]
        hot = [*self._aside.hot(), *(s for s in idle if s.conversation and s.answered)]
        for each in sorted(hot, key=lambda hot: hot.used, reverse=True):
            if isinstance(each, Slot):
                self._trim(each, each.answered)
            if isinstance(each, Prefix):
                yield each
            elif each.held:
                yield self._prefix(each)

    def forget_conversation(self, conversation: str) -> None:
        """It is deleted: nothing of it stays."""
        self._aside.forget(conversation)
        self._checkpoints.forget(conversation)
        for slot in self.idle():
            if slot.conversation == conversation:
                self.forget(slot)
