"""`bramble update`: a signed pack becomes a release, is tried, switched to, and taken back if it does not answer."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from bramble import __version__, durable
from bramble.config import Config, example
from bramble.control import Failed, ask
from bramble.errors import BrambleError
from bramble.models import web
from bramble.updates.pack import BadPack, lock_of, unpack, version_in
from bramble.updates.releases import NotInstalled, Releases
from bramble.updates.requested import MOST_BYTES, take
from bramble.updates.signature import verify

ROOT = Path("/opt/bramble")
UNITS = Path("/etc/systemd/system")
KEY = Path("/etc/bramble/update.pub")
SUFFIX = ".minisig"
UPDATE_PATH = "bramble-update.path"
"""What lets the page ask for updates; releases before it had none."""
READY_SECONDS = 180.0
LOOK_SECONDS = 0.5


class NotHere(BrambleError):
    """This is no appliance, or not its administrator."""

    code = "not_here"


class Update:
    """One update of the appliance below `root`, whose units are in `units`."""

    def __init__(self, config: Config, root: Path = ROOT, units: Path = UNITS) -> None:
        self._state_dir, self._units = config.state_dir, units
        self._local_hosts = config.models.local_hosts
        self._root, self._releases = root, Releases(root)

    def run(self, source: str, key: Path, *, older: bool) -> None:
        """From a file or an https address, with its signature beside it. Raises BrambleError."""
        before = self._must_be_here()
        with durable.alone(self._root), _scratch(self._root) as scratch:
            pack = _bring(source, scratch, self._local_hosts)
            signed = verify(pack, pack.with_name(pack.name + SUFFIX), key)
            print(f"Signed: {signed}", flush=True)
            house = scratch / "house"
            unpack(pack, house)
            python = f"{sys.version_info.major}.{sys.version_info.minor}"
            lock = lock_of(house, python)
            version = version_in(lock)
            _require_newer(version, older=older)
            if self._releases.place(lock) == before:
                print(f"Bramble {version} of this update runs already.")
                return
            print(f"Installing Bramble {version} beside {__version__} …", flush=True)
            release = self._releases.install(house, lock, f"{sys.base_prefix}/bin/python{python}")
            self._try_settings(release)
            self._change(release, before, house / "systemd", version)
            self._releases.clear()

    def run_requested(self, key: Path) -> None:
        """What the page asked for. Raises BrambleError."""
        self._must_be_here()
        self.run(take(self._state_dir), key, older=False)

    def back(self) -> None:
        """To the release before, by hand. Raises BrambleError."""
        before = self._must_be_here()
        with durable.alone(self._root):
            other = self._releases.other
            if other is None:
                raise NotInstalled("There is no other release to go back to.")
            self._releases.switch(other)
            _restart()
        print(
            f"{other.name} runs instead of {before.name}. `bramble --version` tells which that is."
        )

    def _must_be_here(self) -> Path:
        """The release that runs. Raises NotHere where there is none, or for somebody who may not change it."""
        current = self._releases.current
        if current is None:
            raise NotHere(
                f"There is no release below {self._root}: this is not an appliance.",
                "Update what `deploy/try.sh` made with git pull.",
            )
        if os.geteuid() != 0:
            raise NotHere("Only root may update the appliance.", "Write: sudo bramble update FILE")
        return current

    def _try_settings(self, release: Path) -> None:
        """Whether the new one understands the settings and the model that are here."""
        check = ["runuser", "-u", "bramble", "--", str(release / "bin/bramble"), "check"]
        environment = {**os.environ, "STATE_DIRECTORY": str(self._state_dir)}
        done = subprocess.run(check, capture_output=True, text=True, env=environment)
        if done.returncode:
            self._releases.forget(release)
            raise NotInstalled(
                "The update cannot work with the settings that are here; nothing was changed.",
                done.stderr.strip(),
            )
        told = subprocess.run(
            [*check, "--before", "-"],
            input=example(),
            capture_output=True,
            text=True,
            env=environment,
        )
        if told.returncode == 0:  # an older one cannot say
            print(told.stdout, end="", flush=True)

    def _change(self, release: Path, before: Path, units: Path, version: str) -> None:
        old = self._install_units(units)
        self._releases.switch(release)
        try:
            _restart()
            self._wait_until_ready(version)
        except (NotInstalled, KeyboardInterrupt) as error:
            said = _journal()
            self._releases.switch(before)
            for name, content in old.items():
                _put_unit(self._units / name, content)
            if old:
                _systemctl("daemon-reload")
            _restart()
            self._releases.forget(release)
            raise NotInstalled(
                f"Bramble {version} did not answer; {__version__} is back.", said
            ) from error
        if UPDATE_PATH in old and old[UPDATE_PATH] is None:
            _systemctl("enable", "--now", UPDATE_PATH)
        print(f"Bramble {version} answers.")

    def _install_units(self, units: Path) -> dict[str, bytes | None]:
        """Replace the units that differ; returns what they were."""
        old = dict[str, bytes | None]()
        for new in sorted(units.iterdir()):
            there = self._units / new.name
            content = there.read_bytes() if there.exists() else None
            if content != new.read_bytes():
                old[new.name] = content
                _put_unit(there, new.read_bytes())
        if old:
            _systemctl("daemon-reload")
        return old

    def _wait_until_ready(self, version: str) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                if ask(self._state_dir, "ready") == version:
                    return
            except (Failed, OSError, ValueError):
                pass  # it starts, loads, or is the one before, which leaves
            if time.monotonic() > deadline:
                raise NotInstalled(f"Bramble {version} did not answer.")
            time.sleep(LOOK_SECONDS)


@contextmanager
def _scratch(root: Path) -> Generator[Path]:
    """A folder on the releases' own disk, for root alone: what is verified there is what is installed."""
    for old in root.glob(".update-*"):
        shutil.rmtree(old, ignore_errors=True)  # of an update that was cut
    with tempfile.TemporaryDirectory(prefix=".update-", dir=root) as folder:
        yield Path(folder)


def _bring(source: str, scratch: Path, local_hosts: Collection[str]) -> Path:
    """The pack and its signature in `scratch`; returns the pack."""
    address = urlsplit(source)
    remote = address.scheme in ("http", "https")
    pack = scratch / (Path(address.path if remote else source).name or "update.tar")
    for suffix in ("", SUFFIX):
        place = pack.with_name(pack.name + suffix)
        if remote:
            _download(address._replace(path=address.path + suffix).geturl(), place, local_hosts)
        else:
            _copy(source + suffix, place)
    return pack


def _copy(source: str, place: Path) -> None:
    try:
        shutil.copyfile(source, place)
    except FileNotFoundError:
        raise BadPack(f"There is no file {source}.") from None
    except OSError as error:
        raise BadPack(f"{source} cannot be read: {error.strerror}.") from error


def _download(url: str, place: Path, local_hosts: Collection[str]) -> None:
    print(f"Downloading {url} …", flush=True)
    left = MOST_BYTES
    try:
        with web.get(url, {}, local_hosts) as answer, place.open("wb") as file:
            if answer.status != 200:
                raise BadPack(f"{url} cannot be had: the server answers {answer.status}.")
            while data := answer.read(1 << 20):
                left -= len(data)
                if left < 0:
                    raise BadPack(f"{url} is too large for an update of Bramble.")
                file.write(data)
    except web.Broken as error:
        raise BadPack(f"{url} cannot be had: {error}.", "Try again.") from error
    except OSError as error:
        raise BadPack(f"{url} cannot be stored: {error.strerror}.") from error


def _require_newer(version: str, *, older: bool) -> None:
    """A signed update of last year is still signed: going back is asked for by name."""
    if _parts(version) < _parts(__version__) and not older:
        raise BadPack(
            f"The update is Bramble {version}, which is older than {__version__}.",
            "Say --older if you want to go back.",
        )


def _parts(version: str) -> list[int]:
    return [int(each) for each in version.split("+")[0].split(".") if each.isdigit()]


def _put_unit(file: Path, content: bytes | None) -> None:
    if content is None:
        file.unlink(missing_ok=True)
    else:
        durable.replace(file, content, mode=0o644)


def _restart() -> None:
    """Also where it was started more often of late than its unit allows: the release before has to come back."""
    _systemctl("reset-failed", "bramble.service")
    _systemctl("restart", "bramble.service")


def _systemctl(*arguments: str) -> None:
    done = subprocess.run(["systemctl", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise NotInstalled(f"systemctl {' '.join(arguments)} failed.", done.stderr.strip())


def _journal() -> str:
    command = [
        "journalctl",
        "--unit",
        "bramble.service",
        "--lines",
        "15",
        "--no-pager",
        "-o",
        "cat",
    ]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()
