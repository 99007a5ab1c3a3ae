"""How much of a prompt can be had from what slots hold and what was set aside. Only looks: nothing changes here."""

from dataclasses import dataclass

from bramble.engine.aside import Aside, Prefix
from bramble.engine.checkpoints import Checkpoint, Checkpoints
from bramble.engine.context import Context
from bramble.engine.overlap import common_prefix
from bramble.engine.shift import LEAST_GAIN, Gap, find
from bramble.engine.slot import Slot


@dataclass(frozen=True)
class Way:
    """The longest beginning of a prompt that can be had from what a slot holds: cut, at a checkpoint, without a gap."""

    size: int = 0
    source: Slot | None = None
    checkpoint: Checkpoint | None = None
    gap: Gap | None = None

    @property
    def rank(self) -> int:
        """The longest is the best; one that is not exact has to save a good deal more."""
        return self.size - LEAST_GAIN if self.gap else self.size


class Ways:
    """Knows what the model can do: drop the end of a sequence (`trims`), move cells, or only go back to checkpoints."""

    def __init__(
        self,
        context: Context,
        slots: list[Slot],
        aside: Aside,
        checkpoints: Checkpoints,
        *,
        trims: bool,
    ) -> None:
        self._context, self._slots = context, slots
        self._aside, self._checkpoints = aside, checkpoints
        self._trims, self._shifts = trims, trims and context.shifts

    def best(self, tokens: list[int], conversation: str) -> Way:
        """The longest way into a prompt (never all of it) from any slot."""
        most = len(tokens) - 1
        ways = [Way()]
        for slot in self._slots:
            size = min(common_prefix(slot.held, tokens), most)
            cuts = self._trims and self._context.covers(slot.sequence, size)
            if size == len(slot.held) or cuts:
                ways.append(Way(size, slot))
            elif checkpoint := self._checkpoints.best(tokens, size):
                ways.append(Way(len(checkpoint.tokens), slot, checkpoint))
            if gap := self._gap(slot, tokens, conversation):
                ways.append(Way(gap.size, slot, gap=gap))
        if self._context.recurrent and (checkpoint := self._checkpoints.best(tokens, most)):
            ways.append(Way(len(checkpoint.tokens), None, checkpoint))
        return max(ways, key=lambda way: way.rank)

    def _gap(self, slot: Slot, tokens: list[int], conversation: str) -> Gap | None:
        """What an idle slot could leave out, where no running answer shares the cells that would move.

        Only of the same conversation: what comes behind the gap was computed with knowledge of it.
        """
        if not self._shifts or slot.job or not conversation or slot.conversation != conversation:
            return None
        gap = find(slot.held, tokens)
        if gap is None or any(other.job for other in self.sharers(slot, gap)):
            return None
        return gap if self._context.covers(slot.sequence, gap.used) else None

    def longer(self, tokens: list[int], conversation: str, *, beyond: int) -> Prefix | None:
        """A prefix set aside that without a gap holds a good deal more than `beyond` tokens of the prompt."""

        def gapped(prefix: Prefix, _: int) -> int:
            gap = find(prefix.tokens, tokens) if prefix.conversation == conversation else None
            return gap.size if gap else 0

        if not self._shifts or not conversation:
            return None
        prefix, size = self._aside.best(tokens, gapped)
        return prefix if size - LEAST_GAIN > beyond else None

    def sharers(self, slot: Slot, gap: Gap) -> list[Slot]:
        """Other slots that may use the same cells behind a gap: all that hold the same tokens up to there."""
        others = (other for other in self._slots if other is not slot)
        return [each for each in others if common_prefix(each.held, slot.held) > gap.end]

    def usable(self, prefix: Prefix, shared: int) -> int:
        """As far as a prefix that was set aside can be gone on from: a window's older cells are not kept with it."""
        if shared == len(prefix.tokens) or (self._trims and not self._context.window):
            return shared
        checkpoint = self._checkpoints.best(prefix.tokens, shared)
        return len(checkpoint.tokens) if checkpoint else 0
