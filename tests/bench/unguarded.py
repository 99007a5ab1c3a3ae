"""`bramble` without its guards, to measure what looking at the board costs: `python -m tests.bench.unguarded serve`."""

import sys

from bramble.board.watch import Watch
from bramble.cli import main


def start(self: Watch) -> None:
    """Instead of a thread that looks."""


if __name__ == "__main__":
    Watch.start = start
    sys.exit(main())
