"""Recorded boards: below `trees/` the files of each that Bramble reads, and how a test changes one."""

import shutil
from pathlib import Path

TREES = Path(__file__).parent / "trees"
BOARDS = sorted(tree.name for tree in TREES.iterdir() if tree.is_dir())


def copy(board: str, to: Path) -> Path:
    """A board of one's own, to be changed."""
    return Path(shutil.copytree(TREES / board, to / board))


def put(root: Path, name: str, content: str) -> None:
    """Write one of its files."""
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
