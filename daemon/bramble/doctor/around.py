"""The checks of what is around Bramble: room on disk, wear of the card, the clock, the name on the network."""

import ctypes
import os
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from bramble.board.files import MACHINE, number, text
from bramble.chat.file import DAMAGED, DATABASE
from bramble.doctor.finding import Finding, absent, ill, size, well

LITTLE = 300_000_000
"""Bytes of free space below which a full disk is near: conversations and logs need little, an update more."""
EARLIEST = 2026
"""The year of this Bramble: no clock that is right shows one before it."""

NEARLY_WORN = 90
"""Percent of its life that a card may have used up."""

_NORMAL = 1
"""`pre_eol_info` of an eMMC whose spare blocks are not running out (JESD84-B51; 0 is untold, 2 and 3 are warnings)."""
_TIME_ERROR = 5
"""What adjtimex(2) returns where nobody keeps the clock right."""
_MULTICAST_DNS = 5353


def disk(check: str, folder: Path) -> Finding:
    """Whether the folder, or where it will be made, can be written and has room."""
    place = next(each for each in (folder, *folder.parents) if each.is_dir())
    filesystem = os.statvfs(place)
    if filesystem.f_flag & os.ST_RDONLY:
        return ill(
            check,
            f"{folder} is on a disk that is mounted read-only.",
            "Look for disk errors with `dmesg`; a card that fails protects itself.",
        )
    if not os.access(place, os.W_OK):
        return ill(
            check, f"{place} may not be written.", "Run as the user that `bramble serve` runs as."
        )
    free = shutil.disk_usage(place).free
    told = f"{size(free)} free for {folder}"
    return ill(check, told, "Free some space there.") if free < LITTLE else well(check, told)


def set_aside(folder: Path) -> Iterator[Finding]:
    """Files with conversations that were damaged and are kept."""
    for file in sorted(folder.glob(f"{DATABASE}{DAMAGED}*")):
        if file.name.endswith(("-wal", "-shm")):
            continue
        told = f"{file.name} was damaged ({size(file.stat().st_size)}); what could be read of it was saved."
        mend = "Look at the card; delete the file once nothing of it is missed."
        yield ill("conversations", told, mend)


def cards(root: Path) -> Iterator[Finding]:
    """SD cards and eMMC: whether they are write-protected and what they tell of their wear."""
    devices = [*sorted((root / "sys/block").glob("mmcblk?"))]
    for device in devices:
        yield _card(device)
    if not devices:
        yield absent("card", "There is no SD card and no eMMC.")


def _card(device: Path) -> Finding:
    kind = text(device / "device/type") or "card"
    name = " ".join(filter(None, [kind, text(device / "device/name"), f"({device.name})"]))
    if number(device / "ro"):
        return ill("card", f"{name} is write-protected.", "Copy what matters and use a new card.")
    used = _worn(device)
    told = "tells nothing of its wear" if used is None else f"has used up {used} % of its life"
    if (used or 0) >= NEARLY_WORN or (number(device / "device/pre_eol_info", 16) or 0) > _NORMAL:
        return ill("card", f"{name} {told} and is nearly worn out.", "Replace it soon.")
    return well("card", f"{name} can be written; it {told}.")


def _worn(device: Path) -> int | None:
    """Percent of an eMMC's life, rounded up: `0x02 0x01` is 20 and 10 for its two kinds of cells (JESD84-B51)."""
    told = (text(device / "device/life_time") or "").split()
    try:
        return 10 * max(int(each, 16) for each in told) or None
    except ValueError:
        return None


def clock(root: Path, now: datetime) -> Finding:
    """A Pi has no clock of its own: without a time server it goes on from when it was switched off."""
    told = f"{now:%Y-%m-%d %H:%M}"
    mend = "Connect it to the internet for a moment and run `sudo timedatectl set-ntp true`."
    if now.year < EARLIEST:
        return ill("clock", f"It shows {told}, which cannot be.", mend)
    if (root / "run/systemd/timesync/synchronized").exists() or _is_kept(root):
        return well("clock", f"{told}, synchronised")
    return absent("clock", f"{told}, not synchronised with a time server", mend)


def _is_kept(root: Path) -> bool:
    """Whether some service keeps the kernel's clock right; only the kernel that runs can be asked."""
    if root != MACHINE:
        return False
    request = ctypes.create_string_buffer(512)  # struct timex, all zero: ask, set nothing
    return 0 <= ctypes.CDLL(None).adjtimex(request) < _TIME_ERROR


def name(root: Path) -> Finding:
    """Whether phones find `http://NAME.local`: somebody must answer for it by multicast DNS."""
    host = (text(root / "proc/sys/kernel/hostname") or "").partition(".")[0]
    if not host or host == "localhost":
        return ill(
            "name", "This machine has no name.", "Give it one: `sudo hostnamectl hostname bramble`."
        )
    if _answers_multicast_dns(root):
        return well("name", f"{host}.local is answered for")
    return ill(
        "name",
        f"Nobody answers for {host}.local on the network.",
        "Run `sudo apt install avahi-daemon`, or open the page by the machine's address.",
    )


def _answers_multicast_dns(root: Path) -> bool:
    """Whether avahi, systemd-resolved or another responder listens: local port 5353 in /proc/net/udp."""
    rows = (text(root / "proc/net/udp") or "").splitlines()[1:]
    return any(int(row.split()[1].rpartition(":")[2], 16) == _MULTICAST_DNS for row in rows)
