"""How many threads are fastest here: measured once, remembered for this board, model and build."""

import hashlib
import os
import platform
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import msgspec

from bramble.engine.context import Context
from bramble.engine.threads import pin

MEASURED_FROM = 3
"""Fewer cores than this are all used: there is nothing to gain that a measurement could tell from noise."""
GAIN = 1.05
"""Fewer threads must be this much faster: more of them suffer less from a busy neighbour."""
SLOW = 0.25
"""Seconds of one row from which on nothing is measured: one try would take longer than all may."""
SECONDS = 1.5
"""Longest time that a load may spend on measuring; what is unfinished then is left to `bramble bench --tune`."""
DECODE_ROUNDS, PREFILL_ROWS = 3, 64
REMEMBERED = 32
"""Most entries kept in the file, oldest dropped."""


class Counts(msgspec.Struct, frozen=True):
    """Threads for steps of one row, and for longer ones."""

    decode: Annotated[int, msgspec.Meta(ge=1)]
    prefill: Annotated[int, msgspec.Meta(ge=1)]


def candidates(cores: int) -> list[int]:
    """Thread counts worth trying, most first: all cores, then every one up to four and steps between."""
    steps = [count for count in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64) if count < cores]
    return [cores, *reversed(steps)]


def best(speeds: Mapping[int, float]) -> int:
    """The count to use: the most threads, unless fewer are clearly faster. `speeds` in anything per second."""
    chosen = max(speeds)
    for count in sorted(speeds, reverse=True):
        if speeds[count] > speeds[chosen] * GAIN:
            chosen = count
    return chosen


def quick(context: Context, token: int, on: list[int]) -> Counts | None:
    """Measure the candidates on a few rows; None where `SECONDS` are not enough for all of them."""
    deadline = time.monotonic() + SECONDS
    prefill = _fastest(context, token, on, PREFILL_ROWS, 1, deadline)
    decode = _fastest(context, token, on, 1, DECODE_ROUNDS, deadline)
    context.forget(0)
    return Counts(decode, prefill) if decode and prefill else None


def _fastest(
    context: Context, token: int, on: list[int], rows: int, rounds: int, deadline: float
) -> int:
    """The best count for steps of so many rows, 0 where time ran out. The best round of each counts."""
    speeds: dict[int, float] = {}
    for _ in range(rounds):
        for count in candidates(len(on)):
            pin(context, decode=count, prefill=count, on=on)
            speeds[count] = max(speeds.get(count, 0.0), 1 / _step(context, token, rows))
            if time.monotonic() > deadline:
                return 0
    return best(speeds)


def touch(context: Context, token: int) -> float:
    """Seconds of one row, once the weights are read in: what is measured first should not pay for that."""
    _step(context, token, 1)
    return _step(context, token, 1)


def _step(context: Context, token: int, rows: int) -> float:
    """Seconds of one step of so many rows."""
    context.forget(0)
    context.clear_rows()
    context.add_rows(0, [token] * rows, 0, outputs=1)
    began = time.perf_counter()
    if not context.decode():
        raise RuntimeError("the context has no room to measure threads in")
    context.synchronize()
    return time.perf_counter() - began


# ── what is remembered ───────────────────────────────────────────────────────────────────────────


def key(model: Path, cores: int) -> str:
    """What a result holds for: this processor and so many cores, this model, this llama.cpp."""
    with model.open("rb") as file:
        head = file.read(1 << 20)  # the metadata and the tensor list: another model has another
    finger = hashlib.sha256(head + str(model.stat().st_size).encode()).hexdigest()[:16]
    return f"{_processor()} · {cores} cores · {finger} · llama-cpp-python {version('llama-cpp-python')}"


def recall(file: Path, wanted: str) -> Counts | None:
    """What was found for this key; None where nothing was or the file is damaged."""
    return _read(file).get(wanted)


def remember(file: Path, found: str, counts: Counts) -> None:
    """Add one result and replace the file as a whole. Raises OSError."""
    known = _read(file)
    known.pop(found, None)
    known[found] = counts
    kept = dict(list(known.items())[-REMEMBERED:])
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f"{file.name}.{os.getpid()}.new")
    with new.open("wb") as out:
        out.write(msgspec.json.format(msgspec.json.encode(kept)))
        out.flush()
        os.fsync(out.fileno())
    new.replace(file)


def _read(file: Path) -> dict[str, Counts]:
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, Counts])
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return {}


def _processor() -> str:
    """The board on a Pi, the processor's name elsewhere."""
    lines = (line.partition(":") for line in _text("/proc/cpuinfo").splitlines())
    names = (value.strip() for name, _, value in lines if name.strip() == "model name")
    return _text("/proc/device-tree/model").strip("\0\n") or next(names, platform.machine())


def _text(file: str) -> str:
    try:
        return Path(file).read_text(errors="replace")
    except OSError:
        return ""
