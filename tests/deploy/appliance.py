"""A Debian that is booted with its own systemd in a namespace of its own: what a deployment makes an appliance of.

Needs root, mmdebstrap and systemd-nspawn. All that it makes is gone in the end, but the unpacked Debian in the cache.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "bramble/debian"
PACKAGES = (
    "systemd,systemd-sysv,dbus,python3,python3-venv,libgomp1,iproute2,procps,openssh-server,"
    "avahi-daemon,sudo,curl"
)
PYTHON = {"bookworm": "3.11", "trixie": "3.13"}
HOST, GUEST = "10.213.7.1", "10.213.7.2"
DEADLINE = 60.0


def run(*command: str | Path, seconds: float = 600) -> str:
    """Run a command that has to succeed; returns what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def until(what: Callable[[], bool], seconds: float = DEADLINE) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "that took too long"
        time.sleep(0.2)


def base(suite: str, extra: str = "") -> Path:
    """An unpacked Debian of this suite, with extra packages (commas between) or without; made once."""
    for tool in "mmdebstrap", "systemd-nspawn", "ssh-keygen":
        if shutil.which(tool) is None:
            pytest.fail(
                f"{tool} is missing: apt-get install mmdebstrap systemd-container openssh-client"
            )
    root = CACHE / "-".join([suite, *filter(None, extra.split(","))])
    if not root.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        part = root.with_suffix(".part")
        packages = f"{PACKAGES},{extra}" if extra else PACKAGES
        shutil.rmtree(part, ignore_errors=True)
        run("mmdebstrap", "--quiet", "--variant=minbase", f"--include={packages}", suite, part)
        part.rename(root)
    return root


class Machine:
    """One that ssh reaches as root at `address`, with the options `ssh`."""

    ssh: str
    address: str

    def run(self, command: str) -> str:
        """Run a shell command on the machine that has to succeed."""
        return run("ssh", *self.ssh.split(), self.address, command).strip()

    def reaches(self, command: str) -> bool:
        """Whether it is there and this succeeds."""
        line = ["ssh", *self.ssh.split(), "-o", "ConnectTimeout=2", self.address, command]
        return subprocess.run(line, capture_output=True).returncode == 0

    def property(self, name: str, unit: str = "bramble.service") -> str:
        """What systemd says about a unit."""
        return self.run(f"systemctl show --property {name} --value {unit}")

    def engine(self) -> int:
        """The engine's process id; the brackets keep the shell that asks out of it."""
        return int(self.run("pgrep -f '[b]ramble.engine'"))

    def let_in(self, root: Path, folder: Path) -> None:
        """Have the Debian in `root` take a key that is made in `folder`, and start its ssh server."""
        key, known = folder / "key", folder / "known"
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
        ssh = root / "root/.ssh"
        ssh.mkdir(mode=0o700, exist_ok=True)
        shutil.copy(key.with_suffix(".pub"), ssh / "authorized_keys")
        run("chroot", root, "ssh-keygen", "-A")
        run("chroot", root, "systemctl", "enable", "ssh")
        self.ssh = (
            f"-i {key} -o StrictHostKeyChecking=no -o UserKnownHostsFile={known} -o LogLevel=ERROR"
        )


class Appliance(Machine):
    """One in a network namespace, booted by systemd-nspawn."""

    def __init__(
        self,
        suite: str,
        folder: Path,
        extra: str = "",
        prepare: Callable[[Path], None] = lambda _: None,
    ) -> None:
        """Boot a fresh copy of `base(suite, extra)`, whose files `prepare` may change first."""
        self._root, self._space = folder / "root", f"bramble-{os.getpid()}"
        self._link = f"br{os.getpid()}"
        run("cp", "-a", base(suite, extra), self._root)
        self.let_in(self._root, folder)
        self.address = f"root@{GUEST}"
        prepare(self._root)
        self._network()
        self._boot()

    def _network(self) -> None:
        run("ip", "netns", "add", self._space)
        run("ip", "link", "add", self._link, "type", "veth", "peer", "eth0", "netns", self._space)
        run("ip", "address", "add", f"{HOST}/24", "dev", self._link)
        run("ip", "link", "set", self._link, "up")
        inside = ("ip", "-netns", self._space)
        run(*inside, "address", "add", f"{GUEST}/24", "dev", "eth0")
        for link in "eth0", "lo":
            run(*inside, "link", "set", link, "up")

    def _boot(self) -> None:
        legacy = "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE"
        command = ["systemd-nspawn", "--quiet", "--directory", str(self._root), "--boot"]
        command += ["--register=no", "--keep-unit", "--console=pipe", f"--setenv={legacy}=1"]
        command += [f"--network-namespace-path=/run/netns/{self._space}"]
        self._machine = subprocess.Popen(
            command,
            env={**os.environ, legacy: "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        until(lambda: self.reaches("true"))

    def put(self, file: Path) -> str:
        """Copy a file onto the machine; returns where it is there."""
        shutil.copy(file, self._root / "root" / file.name)
        return f"/root/{file.name}"

    def close(self) -> None:
        """End the machine and take its network away."""
        if self._machine.poll() is None:
            subprocess.run(
                ["ssh", *self.ssh.split(), self.address, "systemctl poweroff"], capture_output=True
            )
            try:
                self._machine.wait(20)
            except subprocess.TimeoutExpired:
                self._machine.kill()
                self._machine.wait()
        subprocess.run(["ip", "link", "delete", self._link], capture_output=True)
        subprocess.run(["ip", "netns", "delete", self._space], capture_output=True)
        shutil.rmtree(self._root, ignore_errors=True)
