"""A Debian with its own kernel in qemu: what a container cannot show, as control groups of version 2.

The processor is emulated, not the host's own, so everything takes ten times as long. Needs root, mmdebstrap and qemu.
"""

import subprocess
from pathlib import Path

from tests.daemons import free_port
from tests.deploy.appliance import Machine, base, run, until

PACKAGES = "linux-image-amd64,udev"
MEMORY_MB, DISK = 1024, "4G"
BOOT_SECONDS = 300.0
NETWORK = "[Match]\nName=e*\n[Network]\nDHCP=yes\n"


class VirtualMachine(Machine):
    """Two cores, 1 GB; ssh and the page are at ports of this machine's loopback."""

    def __init__(self, suite: str, folder: Path) -> None:
        """Boot a fresh copy."""
        root, self._disk = folder / "root", folder / "disk.img"
        debian = base(suite, PACKAGES)
        run("cp", "-a", debian, root)
        self.let_in(root, folder)
        (root / "etc/systemd/network/all.network").write_text(NETWORK)
        run("chroot", root, "systemctl", "enable", "systemd-networkd")
        run("mke2fs", "-q", "-t", "ext4", "-d", root, self._disk, DISK)
        run("rm", "-rf", root)
        self._kernel = (next(debian.glob("boot/vmlinuz-*")), next(debian.glob("boot/initrd.img-*")))
        port, self.port = free_port(), free_port()
        self.ssh += f" -p {port}"
        self.address = "root@127.0.0.1"
        self._forwards = f"hostfwd=tcp:127.0.0.1:{port}-:22,hostfwd=tcp:127.0.0.1:{self.port}-:80"
        self.boot()

    def boot(self) -> None:
        """Switch it on, and wait until it lets somebody in."""
        kernel, initrd = self._kernel
        command = ["qemu-system-x86_64", "-machine", "q35", "-accel", "tcg,thread=multi"]
        command += ["-cpu", "max", "-smp", "2", "-m", str(MEMORY_MB), "-nographic", "-nodefaults"]
        command += ["-kernel", str(kernel), "-initrd", str(initrd)]
        command += ["-append", "root=/dev/vda rw quiet net.ifnames=0 mitigations=off"]
        command += ["-drive", f"file={self._disk},format=raw,if=virtio"]
        command += ["-netdev", f"user,id=net,{self._forwards}", "-device", "virtio-net,netdev=net"]
        self._machine = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        until(lambda: self.reaches("true"), seconds=BOOT_SECONDS)

    def pull_the_plug(self) -> None:
        """Off, from one instruction to the next."""
        self._machine.kill()
        self._machine.wait()

    def close(self) -> None:
        """End it."""
        self.pull_the_plug()
        self._disk.unlink()
