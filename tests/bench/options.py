"""What all benchmarks are told: the files, the programs, the machine's share."""

from dataclasses import dataclass
from pathlib import Path

CONTEXT = 8192
SLOTS = 4


@dataclass(frozen=True)
class Options:
    """`peer` is a llama-server, with its llama-bench beside it; `tuned` a board-tuned file of the same model.

    `folder` takes states and logs and is gone afterwards.
    """

    model: Path
    folder: Path
    threads: int = 2
    peer: Path | None = None
    tuned: Path | None = None
