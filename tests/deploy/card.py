"""A card with the image, in an emulated machine: what firmware would load of it is read from its boot partition."""

import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.daemons import free_port
from tests.deploy.appliance import run

MEBIBYTE = 1 << 20
BOOT = 4 * MEBIBYTE
"""Where the boot partition begins."""
BOARD = ("-M", "virt", "-cpu", "cortex-a76", "-smp", "2", "-m", "2G", "-accel", "tcg,thread=multi")
EMULATED = (
    "console=ttyAMA0 systemd.default_device_timeout_sec=900 systemd.default_timeout_start_sec=900"
)
"""What the kernel is told besides: where to write, and that devices may take long to be found."""
BOOTED, LOADED = 900.0, 1800.0
"""Seconds until a page, and until a model: an emulator computes some hundred times slower than a Pi."""


class Card:
    """A copy of the image, on a card of so many bytes."""

    def __init__(self, image: Path, folder: Path, size: int) -> None:
        self.folder, self.file = folder, folder / "card.img"
        run("cp", "--sparse=always", image, self.file)
        run("truncate", "--size", str(size), self.file)

    def read(self, name: str) -> bytes:
        """A file of the boot partition."""
        return subprocess.run(
            ["mtype", "-i", f"{self.file}@@{BOOT}", f"::{name}"], check=True, capture_output=True
        ).stdout

    def write(self, name: str, data: str) -> None:
        """Replace a file there, as an editor does."""
        new = self.folder / "edited"
        new.write_text(data)
        run("mcopy", "-o", "-i", f"{self.file}@@{BOOT}", new, f"::{name}")

    def add_model(self, file: Path) -> None:
        """Put another model beside the one that the image brings."""
        data = f"{self.file}?offset={self.partitions()[-1]['start'] * 512}"
        run("debugfs", "-w", "-R", f"write {file} models/{file.name}", data)

    def names(self) -> list[str]:
        """What is there."""
        listed = run("mdir", "-b", "-i", f"{self.file}@@{BOOT}", "::")
        return [line.removeprefix("::/") for line in listed.splitlines()]

    def partitions(self) -> list[dict[str, Any]]:
        """The partition table as sfdisk tells it, in sectors."""
        table = json.loads(run("sfdisk", "--json", self.file))["partitiontable"]
        assert table["label"] == "dos"
        return table["partitions"]


class Board:
    """A machine that starts from the card. `kill` is a power cut; `powerdown` asks it to leave."""

    def __init__(self, card: Card) -> None:
        self.web, self.ssh = free_port(), free_port()
        self.log = card.folder / "console.log"
        config = dict(
            line.split(maxsplit=1) if line.startswith("initramfs ") else line.split("=", 1)
            for line in card.read("config.txt").decode().splitlines()
            if line.startswith(("initramfs ", "kernel="))
        )
        kernel, initrd = card.folder / "kernel", card.folder / "initrd"
        kernel.write_bytes(card.read(config["kernel"]))
        initrd.write_bytes(card.read(config["initramfs"]))
        self.line = card.read("cmdline.txt").decode().strip()
        forwards = f"hostfwd=tcp:127.0.0.1:{self.web}-:80,hostfwd=tcp:127.0.0.1:{self.ssh}-:22"
        self._monitor = card.folder / "monitor"
        command = ["qemu-system-aarch64", *BOARD, "-display", "none", "-no-reboot"]
        command += ["-kernel", kernel, "-initrd", initrd]
        command += ["-append", f"{self.line} {EMULATED}"]
        command += ["-drive", f"if=none,id=card,format=raw,file={card.file}"]
        command += ["-device", "virtio-blk-device,drive=card"]
        # Without the internet, as far as the machine can tell.
        command += ["-netdev", f"user,id=net,restrict=on,{forwards}"]
        command += ["-device", "virtio-net-device,netdev=net"]
        command += ["-serial", f"file:{self.log}"]
        command += ["-monitor", f"unix:{self._monitor},server=on,wait=off"]
        self.process = subprocess.Popen(command)
        self.began = time.monotonic()

    @property
    def url(self) -> str:
        """Where its page is."""
        return f"http://127.0.0.1:{self.web}"

    def status(self, path: str) -> int:
        """The status of a page; 0 where nobody answers."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=60) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def until(self, path: str, seconds: float) -> float:
        """Wait until a page is there; returns the seconds since the machine was switched on."""
        while self.status(path) != 200:
            assert self.process.poll() is None, self.console()
            assert time.monotonic() < self.began + seconds, f"{path} is not there\n{self.console()}"
            time.sleep(1)
        return time.monotonic() - self.began

    def run(self, key: Path, command: str) -> str:
        """Run a command as admin, who has the key of bramble.yaml."""
        options = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
        where = ["-o", "ConnectTimeout=60", "-i", str(key), "-p", str(self.ssh), "admin@127.0.0.1"]
        return run("ssh", *options.split(), *where, command).strip()

    def ask(self, text: str, tokens: int) -> dict[str, Any]:
        """One question through the API."""
        body = {"messages": [{"role": "user", "content": text}], "max_tokens": tokens}
        request = urllib.request.Request(
            f"{self.url}/v1/chat/completions",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=LOADED) as answer:
            return json.load(answer)

    def console(self) -> str:
        """The end of what it said there."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-60:])

    def kill(self) -> None:
        """The plug is pulled."""
        self.process.kill()
        self.process.wait()


def ends(partitions: Sequence[dict[str, Any]]) -> list[int]:
    """The last byte behind each partition."""
    return [(each["start"] + each["size"]) * 512 for each in partitions]
