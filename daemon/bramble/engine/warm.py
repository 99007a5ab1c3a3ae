"""The first steps of a model, before anybody asks: weights are read in, buffers grow, a first pace is measured."""

import time
from collections.abc import Callable

from bramble.engine.batch import SMALLEST, Pace
from bramble.engine.candidates import candidates
from bramble.engine.context import Context
from bramble.engine.llama import Model

WARM_ROWS, WARM_MS = 2 * SMALLEST, 2000.0
"""Rows of the longest step before anybody asks, where `SMALLEST` take less time than this."""


def warm_up(
    context: Context, model: Model, pace: Pace, progress: Callable[[float], None]
) -> tuple[bool, float]:
    """Touch every weight once and measure a first pace, with more rows where these take no time.

    Returns whether this model can drop a sequence's end, and the longest step in milliseconds.
    """
    token = model.tokenize("a")[-1]
    _step(context, token, 1)  # reads the weights in, which says nothing of computing
    candidates().load(context, 0)  # takes its memory, too
    progress(1.0)
    slowest = 0.0
    # Once as many logits as a step may ever ask for: llama.cpp takes memory for them when it is first asked.
    for rows, outputs in ((SMALLEST, context.outputs_max), (WARM_ROWS, 1)):
        if slowest > WARM_MS:
            break
        ms = _step(context, token, rows, outputs=min(rows, outputs))
        progress(1.0)
        trims = context.forget(0, rows // 2)
        context.forget(0)
        if not trims:
            return False, ms
        slowest = max(slowest, ms)
        if rows == WARM_ROWS or ms > WARM_MS:  # fewer rows cost more each: guesses would seem dear
            pace.learn(decoding=0, prefill=rows, ms=ms)
    pace.learn(decoding=1, prefill=0, ms=_step(context, token, 1))
    context.forget(0)
    progress(1.0)
    return True, slowest


def _step(context: Context, token: int, rows: int, *, outputs: int = 1) -> float:
    """Milliseconds of one step of so many rows, from an empty cache; the last `outputs` get logits."""
    context.forget(0)
    context.clear_rows()
    context.add_rows(0, [token] * rows, 0, outputs=outputs)
    began = time.monotonic()
    context.decode()
    context.synchronize()
    return (time.monotonic() - began) * 1000
