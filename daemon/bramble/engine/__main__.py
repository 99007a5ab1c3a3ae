"""The engine process: `python -m bramble.engine FD`, where FD is its end of the daemon's socketpair.

It holds no secrets and opens no network; its stderr goes to the daemon's log.
"""

import contextlib
import ctypes
import logging
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Literal

from bramble import garbage
from bramble.engine import heap, oom, wire
from bramble.engine.channel import Channel

log = logging.getLogger(__name__)

PR_SET_PDEATHSIG = 1


def main() -> int:
    """Load what the first message orders, then work until told to leave."""
    die_with_parent()
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    order = channel.receive(wait=True)[0]
    if isinstance(order, wire.LoadEmbedding):
        return _serve_embedding(channel, order)
    if not isinstance(order, wire.Load):
        return 0
    return _serve(channel, order)


def _serve(channel: Channel, order: wire.Load) -> int:
    heap.part()
    be_nice(order.nice, order.ionice)
    run_on(order.cores)
    # Only now: importing the worker loads libllama and libgomp, which reads its environment once.
    from bramble.engine.loading import CannotLoad, load
    from bramble.engine.worker import Worker

    told = (-1, 0.0)

    def progress(fraction: float) -> None:
        nonlocal told
        percent, now = int(fraction * 100), time.monotonic()
        if (
            percent != told[0] or now > told[1] + 1
        ):  # also a sign of life, where a slow board takes long
            told = percent, now
            channel.send(wire.Loading(fraction))

    try:
        channel.send(wire.Loading(0.0))
        parts = load(order, progress)
    except CannotLoad as error:
        channel.send(wire.Unusable(error.message, error.hint, error.needed, error.again))
        return 0
    garbage.settle()
    channel.send(parts.ready)
    Worker(channel, parts).run()
    return 0


def _serve_embedding(channel: Channel, order: wire.LoadEmbedding) -> int:
    be_nice(order.nice, order.ionice)
    oom.end_first("self", oom.EMBEDDING_SCORE)
    from bramble.engine.embed_model import CannotEmbed, load
    from bramble.engine.embed_worker import EmbedWorker

    try:
        channel.send(wire.Loading(0.0))
        embedding, ready = load(order, lambda fraction: channel.send(wire.Loading(fraction)))
    except CannotEmbed as error:
        channel.send(wire.Unusable(error.message, error.hint))
        return 0
    garbage.settle()
    channel.send(ready)
    EmbedWorker(channel, embedding).run()
    return 0


def be_nice(nice: int, ionice: wire.Ionice = "none") -> None:
    """Compute and read at these priorities; without the right to raise one, at the one there is."""
    try:
        os.setpriority(os.PRIO_PROCESS, 0, nice)
        # A session of its own may be a scheduling group of its own; then niceness counts only inside it (sched(7)).
        # Kernels without such groups have no such file, or refuse every number.
        with contextlib.suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(nice))
    except PermissionError:
        log.warning("engine.nice %d needs the right to raise a priority; it stays as it is", nice)
    if ionice != "none":
        read_at(ionice)


def read_at(ionice: Literal["idle"] | int) -> None:
    """Read from the disk at this priority, where there are any."""
    import psutil  # 60 ms of a Pi's start that only this setting needs

    try:
        if ionice == "idle":
            psutil.Process().ionice(psutil.IOPRIO_CLASS_IDLE)
        else:
            psutil.Process().ionice(psutil.IOPRIO_CLASS_BE, ionice)
    except (OSError, psutil.Error) as error:
        log.warning("engine.ionice %s is not possible here (%s); it stays as it is", ionice, error)


def run_on(cores: tuple[int, ...]) -> None:
    """Use these cores: the daemon may keep to others by now, which a child inherits. None: those it was started on."""
    if cores:
        try:
            os.sched_setaffinity(0, cores)
        except OSError as error:
            log.warning("the cores cannot be chosen here (%s); they stay as they are", error)


def die_with_parent() -> None:
    """The kernel ends this process with its parent, even in the middle of a step; Ctrl-C is the parent's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    oom.end_first("self")
    if os.getppid() == 1:
        raise SystemExit("the daemon is gone")


if __name__ == "__main__":
    # Interpreter tear-down after libllama's threads buys nothing and can hang: flush and leave.
    status = main()
    sys.stderr.flush()
    os._exit(status)
