"""The checks of what the deployment set up: release, units, updates; and of the certificate and the other machines."""

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from bramble.config import Config
from bramble.doctor.finding import Finding, absent, ill, well
from bramble.errors import ConfigError
from bramble.tls import certificate

RENEW_DAYS = 30
"""Days before its end from which a certificate should be made anew."""
PATIENCE = 2.0
"""Seconds for another machine to answer."""

_RELEASES, _CURRENT = "opt/bramble/releases", "opt/bramble/current"
_UNITS = "etc/systemd/system"
_APPLIANCE = ("bramble.service", "bramble.socket", "bramble-update.path")
_WORKER = ("bramble-worker.service",)


def findings(config: Config, root: Path) -> Iterator[Finding]:
    """What there is to say of an appliance; nothing where nobody deployed one."""
    if (root / _CURRENT).is_symlink():
        yield _release(root)
        yield _units(root)
        yield _updates(root)
    if config.server.tls.certificate:
        yield _certificate(config)
    for name in config.engine.rpc:
        yield _worker(name)


def only_computes(root: Path) -> bool:
    """Whether this machine is deployed to compute for another one: it has no model of its own then."""
    units = root / _UNITS
    return (units / _WORKER[0]).is_file() and not (units / _APPLIANCE[0]).is_file()


def _release(root: Path) -> Finding:
    runs = (root / _CURRENT).readlink().name
    kept = sorted(each.parent.name for each in (root / _RELEASES).glob("*/complete"))
    if runs not in kept:
        return ill(
            "release",
            f"The release {runs}, which is to run, is not there whole.",
            "Run deploy/deploy.sh again, or `sudo bramble update --back`.",
        )
    others = [each for each in kept if each != runs]
    back = f"; `bramble update --back` has {', '.join(others)}" if others else ""
    return well("release", f"{runs} runs{back}")


def _units(root: Path) -> Finding:
    folder = root / _UNITS
    units = _WORKER if only_computes(root) else _APPLIANCE
    wants = list(folder.glob("*.target.wants"))
    idle = [unit for unit in units if not any(os.path.lexists(each / unit) for each in wants)]
    if idle:
        return ill(
            "start",
            f"{' and '.join(idle)} will not be there after the next start of the machine.",
            f"Run `sudo systemctl enable --now {' '.join(idle)}`.",
        )
    return well("start", f"starts with the machine: {', '.join(units)}")


def _updates(root: Path) -> Finding:
    if (root / "etc/bramble/update.pub").is_file():
        return well("updates", "`bramble update` takes what the key of this appliance has signed")
    return absent(
        "updates",
        "No key says whose updates `bramble update` may take.",
        "deploy/deploy.sh --update-key brings one.",
    )


def _certificate(config: Config) -> Finding:
    try:
        certificate(config.server.tls)
    except ConfigError as error:
        return ill("certificate", error.message, error.hint)
    file = config.server.tls.certificate
    look = ["openssl", "x509", "-noout", "-checkend", str(RENEW_DAYS * 86_400), "-in", file]
    try:
        lasts = subprocess.run(look, capture_output=True, timeout=10).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return absent("certificate", f"How long {file} is valid cannot be told without openssl.")
    if not lasts:
        return ill(
            "certificate",
            f"{file} ends within {RENEW_DAYS} days.",
            "`bramble tls --again` makes a new one; Bramble takes it up by itself.",
        )
    return well("certificate", f"{file} is valid for {RENEW_DAYS} days more, at least")


def _worker(name: str) -> Finding:
    host, _, port = name.rpartition(":")
    check = f"worker {name}"
    try:
        socket.create_connection((host, int(port)), PATIENCE).close()
    except OSError as error:
        return ill(
            check,
            f"It cannot be reached: {error.strerror or 'it says nothing'}.",
            "Look whether it is on, and `systemctl status bramble-worker` there.",
        )
    return well(check, "It can be reached; what goes there is not encrypted")
