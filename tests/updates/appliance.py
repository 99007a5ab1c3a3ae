"""An appliance without systemd: releases, a recorder in its place, and a daemon that tells its version."""

import json
import socket
import threading
from pathlib import Path

from bramble import __version__
from bramble.updates.requested import PATH_UNIT, TOLD

TOOLS = {
    "systemctl": 'echo "$@" >>"$0.asked"',
    "journalctl": "echo 'what the journal says'",
    "runuser": 'shift 3; exec "$@"',
}


class Appliance:
    """One with a release that runs; a daemon at its control socket tells the version of the `current` one, or not."""

    def __init__(self, folder: Path, state_dir: Path) -> None:
        self.root, self.units, self.tools = folder / "opt", folder / "units", folder / "tools"
        self.state_dir, self.broken = state_dir, set[str]()
        for each in (self.root / "releases", self.units, self.tools, state_dir):
            each.mkdir(parents=True)
        for name, script in TOOLS.items():
            (self.tools / name).write_text(f"#!/bin/sh\n{script}\n")
            (self.tools / name).chmod(0o755)
        self.first = self.root / "releases/first"
        (self.first / "lib").mkdir(parents=True)
        (self.first / "complete").touch()
        (self.root / "current").symlink_to(self.first)
        self._door = socket.socket(socket.AF_UNIX)
        self._door.bind(str(state_dir / "control"))
        self._door.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection = self._door.accept()[0]
            except OSError:
                return
            with connection:
                connection.recv(1000)
                version = self.version()
                told = {"error": "no", "hint": ""} if version in self.broken else {"told": version}
                connection.sendall(json.dumps(told).encode() + b"\n")

    def version(self) -> str:
        """Of the release that is current."""
        found = list((self.root / "current").glob("lib/python*/site-packages/bramble-*.dist-info"))
        return found[0].name.split("-")[1].removesuffix(".dist") if found else __version__

    @property
    def asked(self) -> list[str]:
        """What systemd was asked for."""
        file = self.tools / "systemctl.asked"
        return file.read_text().splitlines() if file.exists() else []

    def close(self) -> None:
        self._door.close()


def updating(folder: Path) -> Path:
    """This machine as one whose systemd waits for updates."""
    root = folder / "root"
    for each in (PATH_UNIT.parent, TOLD):
        (root / each).mkdir(parents=True)
    (root / PATH_UNIT).touch()
    for each in ("proc", "sys"):
        (root / each).symlink_to(f"/{each}")
    return root
