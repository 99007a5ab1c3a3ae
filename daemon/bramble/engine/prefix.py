"""What the slots still hold, and how a new prompt makes the most of it: reuse, share, forget, in that order."""

import time
from collections.abc import Iterator

from bramble.engine.aside import Prefix
from bramble.engine.cells import SMALL_LOSS, Cells
from bramble.engine.context import Context
from bramble.engine.kept import KeptFiles
from bramble.engine.keptfile import Kept
from bramble.engine.overlap import common_prefix
from bramble.engine.slot import Job, Slot
from bramble.engine.ways import Way, Ways

NO_TOKEN = -1
"""Stands for whatever is asked next."""
LONG_ROWS = 256
"""From so many missing tokens on it pays to clear the cache of idle prefixes even where that loses older ones."""


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
        self._keeps_idle = True
        self.slots = [Slot(sequence) for sequence in range(slots)]
        self._cells = cells = Cells(context, self.slots, trims=trims, aside=aside)
        self._ways = Ways(context, self.slots, cells.aside, cells.checkpoints, trims=trims)

    @property
    def marks(self) -> bool:
        """Whether prompts are to be marked with places for checkpoints."""
        return self._cells.marks

    def keep(self, *, aside: float, idle: bool) -> None:
        """Use this part of the bytes for what is not in the cache; whether slots keep theirs after an answer."""
        self._cells.keep(aside)
        self._keeps_idle = idle
        for slot in self._cells.idle():
            self._let_go(slot)

    def claim(self, job: Job) -> Slot | None:
        """Give a job a slot that holds as much of its prompt as there is; None if all are taken."""
        slot = self.place(job.tokens, job.conversation)
        if slot is not None:
            slot.job, slot.parked = job, False
            job.cached = job.reported = len(slot.held)
        return slot

    def place(self, tokens: list[int], conversation: str = "") -> Slot | None:
        """An idle slot that holds as much of `tokens` as there is, and nothing else; None if all are taken."""
        in_use = self._cells.in_use()
        slot = self._place(tokens, conversation)
        if slot is not None:
            own = slot.conversation == conversation
            slot.conversation = conversation
            slot.answered = min(slot.answered, len(slot.held)) if own else 0
            self._make_way(slot, rows=len(tokens) - len(slot.held))
            self._cells.close_ranks(in_use)
        return slot

    def _make_way(self, slot: Slot, *, rows: int) -> None:
        """Each row that is computed from here on would scan past the cells of idle prefixes."""
        if not self._context.recurrent:
            for other in self._cells.idle():
                if other is not slot:
                    self._cells.set_aside(other, evict=rows >= LONG_ROWS)

    def _place(self, tokens: list[int], conversation: str) -> Slot | None:
        idle = self._cells.idle()
        if not idle:
            return None
        way = self._ways.best(tokens, conversation)
        prefix, size = self._cells.aside.best(tokens, self._ways.usable)
        if kept := self._on_disk(tokens, conversation, beyond=max(way.rank, size)):
            return self._read_back(kept, self._cheapest(idle, Way()), tokens, conversation)
        longer = self._ways.longer(tokens, conversation, beyond=max(way.rank, size))
        if longer is not None:
            self._cells.bring_back(longer, self._cheapest(idle, Way()), len(longer.tokens))
            way = self._ways.best(tokens, conversation)
        elif prefix is not None and size > way.rank + SMALL_LOSS:
            target = self._cheapest(idle, Way())
            self._cells.bring_back(prefix, target, size)
            return target
        target = self._cheapest(idle, way)
        if way.gap is not None:
            self._cells.close(target, way.gap, tokens, self._ways.sharers(target, way.gap))
        elif target is way.source:
            self._cells.trim(target, way.size, way.checkpoint)
        else:
            self._cells.copy(way, target, tokens)
        target.used = time.monotonic()
        return target

    def checkpoint(self, slot: Slot) -> None:
        """Keep what a slot's tokens have made of the model's state, so that it can be gone back to."""
        self._cells.checkpoint(slot)

    def release(self, slot: Slot) -> None:
        """The job is over; its cells stay for whoever goes on from there."""
        if slot.job is not None:
            slot.job.sampler.close()
            slot.answered = len(slot.held) if slot.conversation else 0
        slot.job, slot.parked, slot.used = None, False, time.monotonic()
        self._let_go(slot)

    def _let_go(self, slot: Slot) -> None:
        if not self._keeps_idle and slot.held:
            self._cells.forget(slot)

    def make_room(self) -> bool:
        """Free cells: the least recently used idle prefix first, then the youngest job is parked.

        False where only one job holds cells and so nothing can be given up.
        """
        for slot in self._cells.idle():
            if slot.held:
                in_use = self._cells.in_use()
                self._cells.set_aside(slot)
                self._cells.forget(slot)
                self._cells.close_ranks(in_use)
                return True
        active = [s for s in self.slots if s.job is not None and not s.parked]
        if len(active) < 2:
            return False
        youngest = max(active, key=lambda slot: slot.job.began if slot.job else 0.0)
        self._cells.forget(youngest)
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

    def _cheapest(self, idle: list[Slot], way: Way) -> Slot:
        """Where the least that somebody may come back for is lost: in the source itself, or in the oldest other."""
        source = way.source
        others = [slot for slot in idle if slot is not source]
        if source is not None and way.gap is not None:
            return source
        if source is None or source.job is not None:
            return others[0]
        if not others or len(source.held) - way.size <= max(
            SMALL_LOSS, self._cells.alone(others[0])
        ):
            return source
        return others[0]

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
        self._cells.bring_back(
            prefix, target, min(common_prefix(kept.tokens, tokens), len(tokens) - 1)
        )
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
            self._cells.trim(holders[0], len(tokens))
            return self._context.state(holders[0].sequence)
        spare = next((slot for slot in self._cells.idle() if slot is not holders[0]), None)
        if spare is None or not self._cells.emptied(spare):
            return None
        self._context.share(holders[0].sequence, spare.sequence, len(tokens))
        state = self._context.state(spare.sequence)
        self._context.forget(spare.sequence)
        return state

    def hot(self) -> Iterator[Prefix]:
        """What stored conversations hold, the newest first. Slots lose what was typed behind that."""
        idle = [slot for slot in self.slots if slot.job is None]
        hot = [*self._cells.aside.hot(), *(s for s in idle if s.conversation and s.answered)]
        for each in sorted(hot, key=lambda hot: hot.used, reverse=True):
            if isinstance(each, Slot):
                self._cells.trim(each, each.answered)
            if isinstance(each, Prefix):
                yield each
            elif each.held:
                yield self._cells.prefix(each)

    def forget_conversation(self, conversation: str) -> None:
        """It is deleted: nothing of it stays."""
        self._cells.aside.forget(conversation)
        self._cells.checkpoints.forget(conversation)
        for slot in self._cells.idle():
            if slot.conversation == conversation:
                self._cells.forget(slot)
