"""The first steps of a model, before anybody asks: its weights are read in, and a first pace is measured."""

import time
from collections.abc import Callable

from bramble.engine.batch import SMALLEST, Pace
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
    slowest = 0.0
    for rows in (1, SMALLEST, WARM_ROWS, 1):
        if rows == WARM_ROWS and slowest > WARM_MS:
            continue
        began = time.monotonic()
        context.clear_rows()
        context.add_rows(0, [token] * rows, 0, outputs=1)
        context.decode()
        context.synchronize()
        ms = (time.monotonic() - began) * 1000
        if slowest:  # the first one has read the weights in
            pace.learn(decoding=int(rows == 1), prefill=rows if rows > 1 else 0, ms=ms)
        slowest = max(slowest, ms)
        progress(1.0)
        trims = rows == 1 or context.forget(0, rows // 2)
        context.forget(0)
        if not trims:
            return False, slowest
    return True, slowest
