"""Runs one order of `engine.tasks` in a process of its own, because only engine processes open models."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

import msgspec

from bramble.engine import tasks
from bramble.errors import BrambleError
from bramble.survey import Damaged

COMMAND = (sys.executable, "-m", "bramble.engine.tuner")


class CannotTune(BrambleError):
    """This model cannot be made faster here, and why."""

    code = "cannot_tune"


def run(order: tasks.Order, progress: Callable[[float], None]) -> tasks.Outcome:
    """What came of `order`; `progress` is called with 0..1. Whatever happens, the process is gone afterwards.

    Raises CannotTune where the model cannot be used, Damaged where the process dies.
    """
    with (
        tempfile.TemporaryFile() as words,
        subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=words,
            start_new_session=True,  # a Ctrl-C in the terminal is this process's to handle
            env={**os.environ, "GGML_NO_BACKTRACE": "1"},
        ) as process,
    ):
        try:
            outcome = _converse(process, order, progress)
        finally:
            process.kill()
        if outcome is None:
            raise _death(process.wait(), words, Path(order.model).name)
    if isinstance(outcome, tasks.Refused):
        raise CannotTune(outcome.message, outcome.hint)
    return outcome


def _converse(
    process: subprocess.Popen[bytes], order: tasks.Order, progress: Callable[[float], None]
) -> tasks.Outcome | None:
    """Send the order and read until the outcome; None where there is none."""
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.write(tasks.encode(order))
        process.stdin.close()
        for line in process.stdout:
            said = tasks.parse_said(line)
            if not isinstance(said, tasks.Progress):
                return said
            progress(said.fraction)
    except (BrokenPipeError, msgspec.DecodeError):
        pass  # it died in the middle of a line: the same to whoever waits
    process.wait()
    return None


def _death(code: int, words: IO[bytes], name: str) -> Damaged:
    words.seek(0)
    last = (words.read().decode("utf-8", "replace").strip().splitlines() or [""])[-1]
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
    reason = f" ({last[:200]})" if last else ""
    hint = (
        "Memory ran out: stop other programs, or tune on a PC and copy the file."
        if code == -signal.SIGKILL
        else "The file may be damaged or made for another version; fetch it again."
    )
    return Damaged(f"The process that opened {name} {how}{reason}. Nothing was changed.", hint)
