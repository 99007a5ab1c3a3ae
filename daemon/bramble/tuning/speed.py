"""How fast several files decode on this machine: in turns, so that a busy moment hurts none alone, and medians."""

from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

import msgspec

from bramble.bench import measure
from bramble.config import EngineSettings

PROMPT, GENERATE = 32, 64
"""Tokens a run: short, as each run loads the model anew."""


class Speed(msgspec.Struct, frozen=True):
    """Median tokens a second with the best thread count here, and the process's largest resident size in bytes."""

    tokens_per_second: float
    threads: int
    peak_memory_bytes: int


def speeds(
    files: Mapping[str, Path],
    rounds: int,
    engine: EngineSettings,
    progress: Callable[[float], None],
) -> dict[str, Speed]:
    """Measure each of `files` `rounds` times, A B C A B C. Raises ModelUnavailable, survey.Damaged."""
    found: dict[str, dict[int, list[float]]] = {name: {} for name in files}
    memory = dict.fromkeys(files, 0)
    done = 0
    for _ in range(rounds):
        for name, path in files.items():
            report = measure(path, engine=engine, prompt=PROMPT, generate=GENERATE, repetitions=1)
            memory[name] = max(memory[name], report.peak_memory_bytes)
            for speed in report.decode:
                found[name].setdefault(speed.threads, []).append(speed.tokens_per_second)
            done += 1
            progress(done / (rounds * len(files)))
    return {name: _best(by_threads, memory[name]) for name, by_threads in found.items()}


def _best(by_threads: dict[int, list[float]], memory: int) -> Speed:
    medians = {threads: median(each) for threads, each in by_threads.items()}
    threads = max(medians, key=lambda each: medians[each])
    return Speed(round(medians[threads], 2), threads, memory)
