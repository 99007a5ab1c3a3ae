"""This machine as one that computes for another: finds its address, and becomes llama.cpp's RPC server there."""

import os
import socket
import sys
from ipaddress import ip_address

import psutil

from bramble.config import Config
from bramble.errors import BrambleError

PORT = 50052
"""Where llama.cpp's workers listen."""
ANYWHERE = ("192.0.2.1", 9)
"""An address of nobody (RFC 5737): who would send something there, and nothing is sent."""


class NoAddress(BrambleError):
    """Where this worker is to listen cannot be had, or is not private."""

    code = "no_address"


def work(config: Config) -> None:
    """Serve until the process is ended: it becomes the server, so this never returns. Raises NoAddress."""
    settings = config.worker
    listen = f"{_own_address()}:{PORT}" if settings.listen == "auto" else settings.listen
    host, _, port = listen.rpartition(":")
    address = _private(host)
    threads = len(os.sched_getaffinity(0)) if settings.threads == "auto" else settings.threads
    print(
        f"Computing for other machines at {address}:{port}, on {threads} cores. Whoever reaches this address can use it"
        " and read what is computed: it asks for no password and encrypts nothing.",
        flush=True,
    )
    server = [sys.executable, "-m", "bramble.engine.rpc_worker", f"{address}:{port}", str(threads)]
    os.execv(sys.executable, server)


def _own_address() -> str:
    """The address that this machine is reached at: the one towards the router, where there is one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(ANYWHERE)
            return probe.getsockname()[0]
        except OSError:
            pass
    for addresses in psutil.net_if_addrs().values():
        for each in addresses:
            if each.family == socket.AF_INET and not ip_address(each.address).is_loopback:
                return each.address
    hint = "Wait for the network, or name an address in worker.listen."
    raise NoAddress("This machine has no network yet.", hint)


def _private(host: str) -> str:
    try:
        address = socket.gethostbyname(host)
    except OSError as error:
        raise NoAddress(f"There is no machine called {host}.", "Look at worker.listen.") from error
    if ip_address(address).is_unspecified or not ip_address(address).is_private:
        raise NoAddress(
            f"{address} is no address of a private network, and a worker asks nobody for a password.",
            "Name an address of this machine at home in worker.listen.",
        )
    return address
