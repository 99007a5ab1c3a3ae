"""A one-off engine process: `python -m bramble.engine.tuner`, one order of `tasks` on stdin, JSON lines on stdout."""

import logging
import os
import sys
from typing import BinaryIO

from bramble.engine import tasks
from bramble.engine.__main__ import be_nice, die_with_parent

NICE = 10
"""Whoever is being answered on this machine meanwhile comes first; speed is measured elsewhere."""

STEP = 0.01
"""Progress is told at most this often."""


def main() -> int:
    """Carry out one order and say how it went."""
    die_with_parent()
    be_nice(NICE)
    logging.basicConfig(level=logging.ERROR, format="%(message)s", stream=sys.stderr)
    # What the libraries print must not come between the lines.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    text = sys.stdin.buffer.read()
    if not text:
        return 0  # whoever wanted something was interrupted before they said what
    order = tasks.parse_order(text)
    _say(answers, _carry_out(order, _Progress(answers)))
    return 0


def _carry_out(order: tasks.Order, progress: "_Progress") -> tasks.Outcome:
    # Only now: this loads libllama.
    from bramble.engine import loss, quantize

    try:
        match order:
            case tasks.Inspect():
                return quantize.inspect(order)
            case tasks.Quantize():
                return quantize.quantize(order, progress)
            case tasks.Record():
                return loss.record(order, progress)
            case tasks.Compare():
                return loss.compare(order, progress)
    except quantize.CannotQuantize as refusal:
        return tasks.Refused(refusal.message, refusal.hint)
    except OSError as error:
        return tasks.Refused(f"The file cannot be read or written: {error.strerror or error}.")


class _Progress:
    """Tells how far it is, not too often."""

    def __init__(self, answers: BinaryIO) -> None:
        self._answers = answers
        self._told = -1.0

    def __call__(self, fraction: float) -> None:
        if fraction >= self._told + STEP:
            self._told = fraction
            _say(self._answers, tasks.Progress(round(fraction, 3)))


def _say(answers: BinaryIO, said: tasks.Said) -> None:
    answers.write(tasks.encode(said) + b"\n")
    answers.flush()


if __name__ == "__main__":
    # Interpreter tear-down after libllama's threads buys nothing and can hang: flush and leave.
    status = main()
    sys.stderr.flush()
    os._exit(status)
