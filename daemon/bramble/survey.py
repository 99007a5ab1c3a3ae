"""Runs one order of `engine.survey` in a process of its own, because only engine processes open models."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, overload

import msgspec

from bramble.engine import survey
from bramble.engine.wire import Alternative, Unusable
from bramble.errors import BrambleError, ModelUnavailable
from bramble.models.catalogue import catalogue


def tuning_file(state_dir: Path) -> Path:
    """Where the engine remembers which thread counts are fastest."""
    return state_dir / "cache" / "threads.json"


def kept_folder(state_dir: Path) -> Path:
    """Where the engine keeps what outlives it."""
    return state_dir / "cache" / "kept"


def alternatives() -> tuple[Alternative, ...]:
    """The models of the catalogue, to be named where one does not fit."""
    known = catalogue().items()
    return tuple(Alternative(name, model.size) for name, model in known if model.purpose == "chat")


COMMAND = (sys.executable, "-m", "bramble.engine.surveyor")


class Damaged(BrambleError):
    """The process died over the model, or said something that is no answer."""

    code = "damaged"


Progress = Callable[[survey.Step], None]


@overload
def run(order: survey.Bench, *, spin: int, progress: Progress = ...) -> survey.Report: ...
@overload
def run(order: survey.Check, *, spin: int, progress: Progress = ...) -> survey.Plan: ...
def run(
    order: survey.Order, *, spin: int, progress: Progress = lambda _: None
) -> survey.Report | survey.Plan:
    """The answer to `order`; `progress` is told every step. `spin` as `engine.spin`.

    Raises ModelUnavailable where the model cannot be used, Damaged where the process dies. Whatever happens, the
    process is gone afterwards.
    """
    environment = {**os.environ, "GOMP_SPINCOUNT": str(spin), "GGML_NO_BACKTRACE": "1"}
    with (
        tempfile.TemporaryFile() as words,
        subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=words,
            start_new_session=True,  # a Ctrl-C in the terminal is this process's to handle
            env=environment,
        ) as process,
    ):
        try:
            answer = _converse(process, order, progress)
        finally:
            process.kill()
        if answer is None:
            raise _death(process.wait(), words, Path(order.load.model).name)
        return answer


def _converse(
    process: subprocess.Popen[bytes], order: survey.Order, progress: Progress
) -> survey.Report | survey.Plan | None:
    """Send the order and read until the answer; None where there is none."""
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.write(survey.line(order))
        process.stdin.close()
        for line in process.stdout:
            match survey.parse_answer(line):
                case survey.Step() as step:
                    progress(step)
                case Unusable(message, hint):
                    raise ModelUnavailable(message, hint)
                case answer:
                    return answer
    except (BrokenPipeError, msgspec.DecodeError):
        pass  # it died, or something else wrote to its output: the same to whoever waits
    process.wait()
    return None


def _death(code: int, words: IO[bytes], name: str) -> Damaged:
    words.seek(0)
    last = (words.read().decode("utf-8", "replace").strip().splitlines() or [""])[-1]
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
    reason = f" ({last[:200]})" if last else ""
    hint = (
        "Memory ran out: stop other programs, or choose a smaller model."
        if code == -signal.SIGKILL
        else "The file may be damaged or made for another version; fetch it again."
    )
    return Damaged(f"The process that opened {name} {how}{reason}.", hint)
