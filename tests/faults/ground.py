"""Where a fault happens: a folder of its own, the model, and daemons as people start them. All of it goes."""

import itertools
import re
import sqlite3
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory

import psutil

from bramble.chat.file import DATABASE
from tests.daemons import Live

UNPLANNED = re.compile(r"^Traceback|never retrieved|^Fatal Python error", re.MULTILINE)
"""What a log shows where an exception was not handled."""


@dataclass
class Ground:
    """`full` and `minutes`: how long a fault is to last; `tell` takes a line on how far it is."""

    folder: Path
    model: Path
    full: bool = False
    minutes: float = 0.0
    tell: Callable[[str], None] = lambda _: None
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def new_folder(self) -> Path:
        """An empty folder."""
        folder = self.folder / f"{next(self._numbers)}"
        folder.mkdir()
        return folder

    @contextmanager
    def daemon(
        self, *settings: str, state: Path | None = None, under: Sequence[str] = ()
    ) -> Generator[Live]:
        """`bramble serve` with the model; ended as systemd does it, where it still runs."""
        live = Live(
            state or self.new_folder(), f"engine.model={self.model}", *settings, under=under
        )
        try:
            yield live
        finally:
            live.end()


def engine_of(live: Live) -> psutil.Process:
    """The process that computes. Raises psutil.Error, AssertionError."""
    for child in psutil.Process(live.process.pid).children():
        if "bramble.engine" in child.cmdline():
            return child
    raise AssertionError("there is no engine")


def high_water(pid: int) -> float:
    """MiB that a process has held at most since it began its program; 0 where it is gone."""
    try:
        rows = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return max((int(row.split()[1]) / 1024 for row in rows if row.startswith("VmHWM")), default=0.0)


def unplanned(live: Live) -> list[str]:
    """What the log has of exceptions that nobody handled."""
    text = live.log.read_text(errors="replace")
    return [text[at.start() :][:1500] for at in UNPLANNED.finditer(text)]


def texts(state: Path) -> tuple[str, list[str]]:
    """What integrity_check says of a daemon's database, and what people said; of a copy, so nothing is repaired."""
    with TemporaryDirectory(prefix="bramble-look-") as folder:
        for end in ("", "-wal"):
            if (file := state / f"{DATABASE}{end}").exists():
                copyfile(file, Path(folder) / file.name)
        with closing(sqlite3.connect(Path(folder) / DATABASE)) as database:
            (verdict,) = database.execute("PRAGMA integrity_check").fetchone()
            rows = database.execute("SELECT text FROM messages WHERE role = 'user'").fetchall()
            database.execute("INSERT INTO found (found) VALUES ('integrity-check')")
    return verdict, [text for (text,) in rows]
