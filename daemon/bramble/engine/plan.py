"""Plan before load: what fits the memory there is. It walks a ladder of ways to hold the model and takes the first."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bramble.engine.dryrun import Buffers, DryModel
from bramble.engine.llama import nothing_else
from bramble.engine.memory import budget, resident
from bramble.engine.rpc import Spread
from bramble.engine.survey import Plan
from bramble.engine.wire import Load

SMALLEST_CONTEXT = 512
"""Tokens below which no conversation fits; the ladder does not shorten the context further."""
SMALL_BATCH = 32
"""Rows of a step where memory is short: a quarter of the work area, and prompts are read a little slower."""
SAMPLER_BYTES = 16
"""A slot's candidates and counts, for each token of the vocabulary."""
WORKING_BYTES = 8_000_000
"""Thread stacks, ggml's work area, templates, messages: what a process takes beyond its dry run. Measured."""
FILE_SHARE, BESIDE = 1.1, 100_000_000
"""What a model takes at its smallest, from the size of its file alone: a tenth more and so many bytes."""


@dataclass(frozen=True)
class Rung:
    """One way to hold the model: re-tiled weights in memory or the file's own, mapped or read; context, slots, rows.

    `windowed`: layers that look back only so far keep no more than that.
    """

    repack: bool
    context: int
    slots: int
    batch: int
    windowed: bool = False


def plan(order: Load, spread: Spread | None = None) -> Plan:
    """The first rung that fits `order.memory` (0: what the machine has to give), or the last with `fits` False.

    Raises LoadError where the file cannot be read as a model.
    """
    room = order.memory or budget() + resident()  # what this process has is not available any more
    dry = _Dry(order, spread)
    try:
        tried: list[Plan] = []
        for rung in rungs(order, repacks=dry.repacks(), window=dry.window):
            candidate = dry.plan(rung, room)
            tried.append(candidate)
            if candidate.fits:
                break
        return _with_reasons(tried, order, room)
    finally:
        dry.close()


def rungs(order: Load, *, repacks: bool, window: int = 0) -> Iterator[Rung]:
    """Best first. Repacked weights answer fastest; a shorter context forgets sooner; fewer slots make people wait.

    Where layers look back only over a `window`, their older cells only save reading again: they go before speed does.
    """
    small = min(order.batch, SMALL_BATCH)
    batches = sorted({order.batch, small}, reverse=True)
    first, *shorter = _shrinking(order.context)
    yield from _ways(repacks, window, first, order.slots, batches)
    for context in shorter:
        yield from _ways(repacks, window, context, order.slots, [small])
    slots = order.slots
    while slots > 1:
        slots //= 2
        yield from _ways(repacks, window, [first, *shorter][-1], slots, [small])


def _ways(
    repacks: bool, window: int, context: int, slots: int, batches: list[int]
) -> Iterator[Rung]:
    for repack in (True, False) if repacks else (False,):
        for batch in batches:
            spares = window > 0 and window * slots + batch < context
            for windowed in (False, True) if spares else (False,):
                yield Rung(repack, context, slots, batch, windowed)


def _shrinking(context: int) -> Iterator[int]:
    """`context`, then 3/4, 1/2, 3/8, 1/4 … of it in whole blocks of 256, which llama.cpp rounds up to anyway."""
    yield context
    whole = context
    while True:
        for shorter in (whole * 3 // 4, whole // 2):
            rounded = shorter // 256 * 256
            if rounded < SMALLEST_CONTEXT:
                return
            yield rounded
        whole //= 2


class _Dry:
    """Dry models of one file, each made when first needed."""

    def __init__(self, order: Load, spread: Spread | None) -> None:
        self._order, self._spread = order, spread
        self._path = Path(order.model)
        self._models: dict[bool, DryModel] = {}
        self._resident = 0

    def close(self) -> None:
        for model in self._models.values():
            model.close()

    def _model(self, repack: bool) -> DryModel:
        if repack not in self._models:
            adjust = self._spread.apply if self._spread else nothing_else
            self._models[repack] = DryModel(self._path, repack=repack, adjust=adjust)
        return self._models[repack]

    @property
    def window(self) -> int:
        """How many tokens its sliding layers look back, 0 where it has none."""
        return self._model(repack=True).window

    def repacks(self) -> bool:
        """Whether this CPU re-tiles any of the weights."""
        return self._buffers(Rung(True, SMALLEST_CONTEXT, 1, SMALL_BATCH)).repacked > 0

    def plan(self, rung: Rung, room: int) -> Plan:
        buffers = self._buffers(rung)
        rows = buffers.looked_up
        process = self._process(rung)
        working = buffers.kv + buffers.compute + buffers.outputs
        if rung.repack:  # they are in memory only until all is read, before there is a context
            weights, in_file, spared = buffers.weights - rows, rows, 0
            process += max(rows - working, 0)
        else:
            weights, in_file, spared = buffers.weights, 0, rows
        peak = process + weights + working
        short = self._spread.short(buffers.away) if self._spread else ""
        return Plan(
            fits=peak - spared <= room and not short,
            context=rung.context,
            slots=rung.slots,
            batch=rung.batch,
            repack=rung.repack,
            windowed=rung.windowed,
            weights=weights,
            in_file=in_file,
            repacked=buffers.repacked,
            kv=buffers.kv,
            compute=buffers.compute + buffers.outputs,
            process=process,
            peak=peak,
            spared=spared,
            room=room,
            away=sum(buffers.away.values()),
            short=short,
        )

    def _buffers(self, rung: Rung) -> Buffers:
        buffers = self._model(rung.repack).buffers(
            context=rung.context,
            slots=rung.slots,
            batch=rung.batch,
            guess_rows=self._order.draft,
            windowed=rung.windowed,
        )
        self._resident = self._resident or resident()  # with one model's vocabulary, as later
        return buffers

    def _process(self, rung: Rung) -> int:
        """Python, libraries and vocabulary as they are resident in a dry run, and what answering adds."""
        vocab = self._model(rung.repack).vocab_size
        return self._resident + rung.slots * vocab * SAMPLER_BYTES + WORKING_BYTES


# ── in words ─────────────────────────────────────────────────────────────────────────────────────


def _with_reasons(tried: list[Plan], order: Load, room: int) -> Plan:
    """The last plan tried, with what had to be given up on the way to it."""
    first, chosen = tried[0], tried[-1]
    if not chosen.fits:
        reason = chosen.short or (
            f"It needs {megabytes(chosen.needed)} of memory even with {chosen.context} tokens of context"
            f" and {counted(chosen.slots)}, and {megabytes(room)} are there."
        )
        return _replace(chosen, (reason,), _advice(order, room))
    reasons: list[str] = []
    if chosen is not first:
        reasons.append(
            f"All that is wanted would take {megabytes(first.needed)} of memory, {megabytes(room)} are there."
        )
    if chosen.repack != first.repack:
        reasons.append(
            "The weights are mapped from the file instead of re-tiled for this processor, which is slower."
        )
    if chosen.batch != first.batch:
        reasons.append(
            f"Prompts are read {chosen.batch} tokens at a time instead of {first.batch}."
        )
    if chosen.windowed:
        reasons.append(
            "Layers that look back only a little keep no more than that, so a shortened conversation is read again."
        )
    if chosen.context != first.context:
        reasons.append(f"The context is {chosen.context} tokens instead of {first.context}.")
    if chosen.slots != first.slots:
        reasons.append(f"There is room for {counted(chosen.slots)} instead of {first.slots}.")
    return _replace(chosen, tuple(reasons), "")


def _replace(plan: Plan, reasons: tuple[str, ...], advice: str) -> Plan:
    return msgspec.structs.replace(plan, reasons=reasons, advice=advice)


def _advice(order: Load, room: int) -> str:
    """The largest other model that would fit, judged by its file: exact figures need the file itself."""
    fitting = [other for other in order.alternatives if other.size * FILE_SHARE + BESIDE <= room]
    if not fitting:
        return "No model of the catalogue would fit either; stop other programs or add memory."
    best = max(fitting, key=lambda other: other.size)
    return f"{best.name} ({megabytes(best.size)}) would fit: set engine.model to it."


def counted(slots: int) -> str:
    """So many answers at once, in words."""
    return "one answer at once" if slots == 1 else f"{slots} answers at once"


def megabytes(size: int) -> str:
    """A size for people."""
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
