"""A neighbour that wants memory: a process that holds as much as it is told, in a control group of the test's."""

import subprocess
import sys
from collections.abc import Sequence
from types import TracebackType

CHUNK = 1 << 20
HOLD = f"""
import sys
held = []
for line in sys.stdin:
    size = int(line)
    del held[size // {CHUNK}:]
    while len(held) < size // {CHUNK}:
        held.append(bytearray(b"x" * {CHUNK}))
    print(size, flush=True)
"""


class Hog:
    """`under` is a command that runs the one behind it. It ends with the block."""

    def __init__(self, under: Sequence[str]) -> None:
        command = [*under, sys.executable, "-c", HOLD]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.held = 0

    def hold(self, size: int) -> None:
        """Take or give back until it is so many bytes, in whole chunks; returns when it is done."""
        assert self._process.stdin is not None and self._process.stdout is not None
        size = max(0, size)
        self._process.stdin.write(f"{size}\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == f"{size}\n", "the kernel ended it"
        self.held = size

    def __enter__(self) -> "Hog":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        with self._process:
            self._process.kill()
