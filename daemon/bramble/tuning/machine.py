"""What a measurement holds for: this board or processor, this build of llama.cpp."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

from bramble import __version__


def build() -> str:
    """Which llama.cpp quantizes and computes, and which Bramble chooses what to try."""
    return f"llama-cpp-python {version('llama-cpp-python')}, bramble {__version__}"


def machine() -> str:
    """What speeds depend on: the board or processor, and its cores."""
    try:
        board = Path("/sys/firmware/devicetree/base/model").read_text(encoding="utf-8")
    except OSError:
        board = ""
    name = board.strip("\0\n ") or _processor() or platform.machine()
    return f"{name}, {len(os.sched_getaffinity(0))} cores"


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "")
