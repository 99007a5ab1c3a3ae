"""The machine: its files, its commands, and what was applied to it before. It knows no section."""

import json
import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bramble_card.document import Mistake, Scalar

MEMORY = "var/lib/bramble-card/applied.json"
PATIENCE = 120
"""Seconds that a command may take; a Zero 2 W needs some ten for the slowest."""


class Card:
    """Files are below `root`; commands are found in the PATH."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.mistakes: list[Mistake] = []
        self.secrets: list[Scalar] = []
        """What is in use now, and may leave the boot partition."""
        self._applied = self._remembered()

    @contextmanager
    def attempt(self) -> Generator[None]:
        """Keep a mistake inside for the report, and go on."""
        try:
            yield
        except Mistake as mistake:
            self.mistakes.append(mistake)
        except OSError as error:
            self.mistakes.append(Mistake(0, f"the card cannot be written: {error}"))

    def is_new(self, name: str, value: Any) -> bool:
        """Whether this was not the last thing applied under this name."""
        return self._applied.get(name) != json.loads(json.dumps(value, default=str))

    def applied(self, name: str, value: Any) -> None:
        """Remember it for the next start."""
        if self.is_new(name, value):
            self._applied[name] = value
            self.write(MEMORY, json.dumps(self._applied, default=str), mode=0o600)

    def last(self, name: str) -> Any:
        """What was applied last under this name; None before the first time."""
        return self._applied.get(name)

    def read(self, name: str) -> str:
        """The text of a file; empty where there is none."""
        try:
            return (self.root / name).read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""

    def write(self, name: str, text: str, *, mode: int = 0o644) -> None:
        """Give a file this text: after a power cut it has the old or the new one. Raises OSError."""
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_name(f"{file.name}.new")
        new.touch(mode=0o600)
        with new.open("w", encoding="utf-8") as out:
            os.fchmod(out.fileno(), mode)
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        new.replace(file)
        _sync(file.parent)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        file = self.root / name
        file.unlink(missing_ok=True)
        if file.parent.is_dir():
            _sync(file.parent)

    def run(self, line: int, *command: str, given: str = "") -> None:
        """Run a command with `given` as its input. Raises Mistake for `line` with what it said."""
        try:
            done = subprocess.run(
                command, input=given, capture_output=True, text=True, timeout=PATIENCE
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Mistake(line, f"{command[0]} cannot be used: {error}") from None
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise Mistake(line, "; ".join(said) or f"{command[0]} failed")

    def _remembered(self) -> dict[str, Any]:
        try:
            return dict(json.loads(self.read(MEMORY) or "{}"))
        except (TypeError, ValueError):
            return {}  # everything is applied once more


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
