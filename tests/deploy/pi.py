"""A Pi's files, its boot partition with bramble.yaml, and stand-ins for what would change this machine."""

import subprocess
import sys
from dataclasses import dataclass
from hashlib import pbkdf2_hmac
from pathlib import Path

from tests.deploy.appliance import REPO

IMAGE = REPO / "deploy/image"


@dataclass
class Pi:
    """A machine's files, its boot partition, and what was asked of systemd."""

    folder: Path

    def write(self, text: str | bytes) -> None:
        self.file.write_bytes(text if isinstance(text, bytes) else text.encode())

    def start(self, *, well: bool = True) -> str:
        """What a start does with bramble.yaml; returns the report, as a PC shows it."""
        command = [sys.executable, "-m", "bramble_card", "--boot", self.boot, "--root", self.root]
        environment = {
            "PATH": str(self.folder / "bin"),
            "PYTHONPATH": str(IMAGE),
            "STATE_DIRECTORY": str(self.folder / "state"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100)
        report = self.boot / "bramble-FAILED.txt"
        assert done.returncode == (0 if well else 1), done.stderr
        assert report.exists() != well
        return "" if well else report.read_text(encoding="utf-8")

    def asked(self) -> list[str]:
        """What was asked of the system since the last time."""
        log = self.folder / "asked"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return lines

    def text(self, name: str) -> str:
        return (self.root / name).read_text(encoding="utf-8")

    @property
    def root(self) -> Path:
        return self.folder / "root"

    @property
    def boot(self) -> Path:
        return self.folder / "boot"

    @property
    def file(self) -> Path:
        return self.boot / "bramble.yaml"


def command(file: Path, line: str) -> None:
    """A program of one line."""
    file.write_text(f"#!/bin/sh\n{line}\n")
    file.chmod(0o755)


def psk(password: str, ssid: str) -> str:
    """The key of a network, as IEEE 802.11 derives it."""
    return pbkdf2_hmac("sha1", password.encode(), ssid.encode(), 4096, 32).hex()


def key(folder: Path) -> str:
    """A key as somebody has it in their .pub file."""
    file = folder / "id"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ada", "-f", file], check=True
    )
    return file.with_suffix(".pub").read_text().strip()
