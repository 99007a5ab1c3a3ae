"""A network of its own with a cable that can be pulled: two namespaces and what connects them."""

import itertools
import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from tests.faults.fault import LeftOut

_numbers = itertools.count()


@dataclass(frozen=True)
class Cable:
    """The server's side is namespace `server` with `address`, the client's `client`."""

    server: str
    client: str
    address: str = "10.77.0.1"

    def pull(self) -> None:
        """Nothing that either side sends arrives any more; nobody is told."""
        _ip("-n", self.client, "link", "set", "cable", "down")

    def plug_in(self) -> None:
        """All arrives again."""
        _ip("-n", self.client, "link", "set", "cable", "up")


@contextmanager
def cable() -> Generator[Cable]:
    """Two namespaces, for as long as they are needed. Raises LeftOut where they cannot be made."""
    number = f"{os.getpid()}-{next(_numbers)}"
    made = Cable(f"bramble-s{number}", f"bramble-c{number}")
    try:
        try:
            _ip("netns", "add", made.server)
            _ip("netns", "add", made.client)
            _ip(
                "-n",
                made.server,
                "link",
                "add",
                "cable",
                "type",
                "veth",
                "peer",
                "cable",
                "netns",
                made.client,
            )
        except (OSError, subprocess.CalledProcessError) as error:
            raise LeftOut("it needs root and iproute2, to make a network of its own") from error
        for side, end in ((made.server, "1"), (made.client, "2")):
            _ip("-n", side, "link", "set", "lo", "up")
            _ip("-n", side, "address", "add", f"10.77.0.{end}/24", "dev", "cable")
            _ip("-n", side, "link", "set", "cable", "up")
        yield made
    finally:
        for side in (made.server, made.client):
            with suppress(OSError, subprocess.CalledProcessError):
                _ip("netns", "delete", side)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
