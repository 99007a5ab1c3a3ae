"""Measures a model on this machine as llama-bench does, on the same context and pinned threads that answer people."""

import random
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median

import msgspec

from bramble.engine.bandwidth import memory_bandwidth
from bramble.engine.context import Context
from bramble.engine.llama import system_info
from bramble.engine.loading import CannotLoad, Loaded, load
from bramble.engine.memory import available, peak
from bramble.engine.survey import Bench, Report, Speed, Step
from bramble.engine.threads import cores, pin
from bramble.engine.tune import Counts, best, candidates, key, remember
from bramble.engine.weights import bytes_per_token, sizes

LOADING, BANDWIDTH = 0.15, 0.05
"""Shares of the whole time, for the progress bar."""

Say = Callable[[Step], None]
"""Tells how far it is."""


def bench(order: Bench, say: Say) -> Report:
    """Measure `order.load.model`. Raises CannotLoad."""
    on = cores()  # first of all: while computing, this thread is allowed on one core only
    size = max(order.load.context, order.prompt, order.generate)
    wanted = msgspec.structs.replace(order.load, context=size, slots=1, threads=len(on), draft=0)
    wanted = msgspec.structs.replace(wanted, prefill_threads=len(on))
    say(Step("loading", 0.0))
    parts = load(wanted, lambda fraction: say(Step("loading", fraction * LOADING)))
    counts = [count for count in order.threads if count <= len(on)] or sorted(candidates(len(on)))
    prefill, decode = _speeds(parts, order, counts, on, say)
    peak_memory = peak()
    say(Step("reading memory", 1 - BANDWIDTH))
    bandwidth = memory_bandwidth(on, available())
    weights = _weights(parts, Path(order.load.model))
    fastest = max(speed.tokens_per_second for speed in decode)
    report = Report(
        model=parts.ready.name,
        file=order.load.model,
        file_bytes=Path(order.load.model).stat().st_size,
        description=parts.ready.description,
        prompt_tokens=order.prompt,
        generated_tokens=order.generate,
        repetitions=order.repetitions,
        decode=decode,
        prefill=prefill,
        memory_bandwidth_bytes_per_second=round(bandwidth),
        bytes_per_token=weights,
        share_of_bandwidth=round(fastest * weights / bandwidth, 4),
        load_seconds=parts.ready.load_seconds,
        peak_memory_bytes=peak_memory,
        cores=len(on),
        processor_features=system_info(),
        kernels=parts.ready.kernels,
        notes=parts.ready.notes,
    )
    return _tuned(order, report, len(on)) if order.load.tuning else report


def _tuned(order: Bench, report: Report, cores: int) -> Report:
    """Choose from what was measured, and remember that for the next load."""
    counts = Counts(
        best({speed.threads: speed.tokens_per_second for speed in report.decode}),
        best({speed.threads: speed.tokens_per_second for speed in report.prefill}),
    )
    path = Path(order.load.model)
    try:
        remember(Path(order.load.tuning), key(path, cores), counts)
    except OSError as error:
        raise CannotLoad(
            f"What was measured cannot be remembered: {error.strerror} ({order.load.tuning}).",
            "Check that state_dir can be written to.",
        ) from error
    return msgspec.structs.replace(
        report, decode_threads=counts.decode, prefill_threads=counts.prefill
    )


def _weights(parts: Loaded, path: Path) -> int:
    model = parts.model
    architecture = model.meta("general.architecture")
    return bytes_per_token(
        sizes(path),
        experts=int(model.meta(f"{architecture}.expert_count") or 0),
        experts_used=int(model.meta(f"{architecture}.expert_used_count") or 0),
    )


def _speeds(
    parts: Loaded, order: Bench, counts: list[int], on: list[int], say: Say
) -> tuple[tuple[Speed, ...], tuple[Speed, ...]]:
    """Prefill and decode by thread count. Rounds go through all counts, so that a busy moment hurts none alone."""
    runs = Runs(parts.context, parts.model.vocab_size, order.load.batch)
    prefill: dict[int, list[float]] = {count: [] for count in counts}
    decode: dict[int, list[float]] = {count: [] for count in counts}
    done, total = 0, 2 * len(counts) * order.repetitions
    for _ in range(order.repetitions):
        for count in counts:
            pin(parts.context, decode=count, prefill=count, on=on)
            for what, times in ("prefill", prefill), ("decode", decode):
                fraction = LOADING + done / total * (1 - LOADING - BANDWIDTH)
                say(Step(f"{what}, {count} thread{'s' * (count > 1)}", fraction))
                run = runs.prefill if what == "prefill" else runs.decode
                length = order.prompt if what == "prefill" else order.generate
                times[count].append(length / run(length))
                done += 1
    return _medians(prefill), _medians(decode)


def _medians(speeds: dict[int, list[float]]) -> tuple[Speed, ...]:
    return tuple(Speed(count, round(median(each), 2)) for count, each in speeds.items())


class Runs:
    """Timed runs over random tokens on one sequence: llama-bench's `pp` and `tg`."""

    def __init__(self, context: Context, vocab_size: int, batch: int) -> None:
        self._context, self._batch = context, batch
        self._random = random.Random(1)
        self._vocab_size = vocab_size

    def prefill(self, length: int) -> float:
        """Seconds to compute a prompt of so many tokens, in batches, the last row with logits."""
        starts = range(0, length, self._batch)
        return self._timed((start, min(self._batch, length - start)) for start in starts)

    def decode(self, length: int) -> float:
        """Seconds to compute so many tokens one by one, each with logits."""
        return self._timed((start, 1) for start in range(length))

    def _timed(self, steps: Iterable[tuple[int, int]]) -> float:
        """Compute `rows` tokens from position `start` for each (start, rows), after an untimed first row."""
        context = self._context
        self._compute(0, 1)
        context.forget(0)
        began = time.perf_counter()
        for start, rows in steps:
            self._compute(start, rows)
        seconds = time.perf_counter() - began
        context.forget(0)
        return seconds

    def _compute(self, start: int, rows: int) -> None:
        tokens = self._random.choices(range(self._vocab_size), k=rows)
        self._context.clear_rows()
        self._context.add_rows(0, tokens, start, outputs=1)
        if not self._context.decode():
            raise RuntimeError("the context has no room for what is measured")
        self._context.synchronize()
