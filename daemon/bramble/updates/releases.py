"""Releases below /opt/bramble: each is a folder, complete before anybody hears of it; `current` runs."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from bramble import durable
from bramble.errors import BrambleError

KEPT = 2
_SECONDS = 1800
"""Installing on the slowest card."""


class NotInstalled(BrambleError):
    """The release was not installed, or did not answer; the one before runs."""

    code = "not_installed"


class Releases:
    """`root` is /opt/bramble; Ansible's deployments name their releases the same way."""

    def __init__(self, root: Path) -> None:
        self._folder, self._link = root / "releases", root / "current"

    @property
    def current(self) -> Path | None:
        """The release that runs."""
        return self._link.resolve() if self._link.is_symlink() else None

    @property
    def other(self) -> Path | None:
        """The newest that is whole and does not run."""
        return next((each for each in self._others() if _is_whole(each)), None)

    def _others(self) -> list[Path]:
        """All but the current one: the whole ones first, of these the newest."""
        others = [each for each in self._folder.iterdir() if each != self.current]
        return sorted(
            others, key=lambda each: (_is_whole(each), each.stat().st_mtime), reverse=True
        )

    def place(self, lock: Path) -> Path:
        """Where the release that is made of these wheels is, or would be."""
        return self._folder / hashlib.sha256(lock.read_bytes()).hexdigest()[:12]

    def install(self, house: Path, lock: Path, python: str) -> Path:
        """Make the release unless it is there whole; returns its folder. Raises NotInstalled."""
        release = self.place(lock)
        complete = release / "complete"
        if complete.exists():
            return release
        shutil.rmtree(release, ignore_errors=True)  # of an attempt that was cut
        self._folder.mkdir(parents=True, exist_ok=True)
        _run([python, "-m", "venv", str(release)], "its environment could not be made")
        pip = [str(release / "bin/python3"), "-I", "-m", "pip", "install", "--quiet", "--no-index"]
        pip += ["--disable-pip-version-check", "--find-links", str(house), "--require-hashes"]
        pip += ["--only-binary=:all:", "-r", str(lock)]
        _run(pip, "its wheels could not be installed")
        subprocess.run(["sync", "--file-system", str(release)], check=False)
        complete.touch()
        durable.sync(release)
        return release

    def switch(self, release: Path) -> None:
        """Make this one the current one, at once or not at all."""
        new = self._link.with_name(".current")
        new.unlink(missing_ok=True)
        new.symlink_to(release)
        new.replace(self._link)
        durable.sync(self._link.parent)

    def forget(self, release: Path) -> None:
        """It is made anew the next time."""
        (release / "complete").unlink(missing_ok=True)
        shutil.rmtree(release, ignore_errors=True)

    def clear(self) -> None:
        """Delete all but the current one and the newest others, `KEPT` in all."""
        for old in self._others()[KEPT - 1 :]:
            shutil.rmtree(old, ignore_errors=True)


def _is_whole(release: Path) -> bool:
    return (release / "complete").exists()


def _run(command: Sequence[str], failure: str) -> None:
    environment = {**os.environ, "PIP_NO_INPUT": "1", "PIP_CONFIG_FILE": os.devnull}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_SECONDS, env=environment
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalled(f"The update was not installed: {failure}: {error}.") from error
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-3:]
        raise NotInstalled(f"The update was not installed: {failure}.", "\n".join(last))
