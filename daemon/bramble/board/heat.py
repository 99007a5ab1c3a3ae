"""How hot the board is, whether its firmware slows it down or its supply is weak, by the best source that it offers."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from enum import IntFlag
from pathlib import Path

from msgspec import Struct

from bramble.board.files import MACHINE, number, text

_ZONES = ("cpu-thermal", "cpu_thermal", "soc-thermal", "x86_pkg_temp")
_CHIPS = ("cpu_thermal", "coretemp", "k10temp", "zenpower", "soc_thermal")
"""Thermal zones and hwmon chips that are the processor's, the best first."""

COMMAND_SECONDS = 10.0
"""How often vcgencmd is asked while watching: it is a process each time, the others are a file."""
_DEADLINE = 2.0


class Throttle(IntFlag):
    """What `vcgencmd get_throttled` tells: the lower half is now, the upper half since it was switched on.

    https://www.raspberrypi.com/documentation/computers/os.html#get_throttled
    """

    UNDER_VOLTAGE = 1 << 0
    CAPPED = 1 << 1
    THROTTLED = 1 << 2
    SOFT_LIMIT = 1 << 3
    WAS_UNDER_VOLTAGE = 1 << 16
    WAS_CAPPED = 1 << 17
    WAS_THROTTLED = 1 << 18
    WAS_SOFT_LIMIT = 1 << 19

    @property
    def is_weak(self) -> bool:
        """Whether the supply is too weak now."""
        return Throttle.UNDER_VOLTAGE in self

    @property
    def is_hot(self) -> bool:
        """Whether heat slows the board down now: a weak supply does, too, and sets the same bit."""
        return Throttle.THROTTLED in self and not self.is_weak


class Heat(Struct, frozen=True):
    """One look. None where no sensor tells; a hwmon that knows under-voltage alone leaves the other bits 0."""

    celsius: float | None
    throttle: Throttle | None


class Sensors:
    """Where this board tells its heat: looked for once, then read as often as wanted.

    `temperature` and `supply` name the sources; `absences` has one sentence for each that is missing.
    """

    def __init__(self, root: Path = MACHINE, clock: Callable[[], float] = time.monotonic) -> None:
        self._celsius_file = next(_celsius_files(root), None)
        self.supply, self._throttle = _throttle_source(root, clock)
        self.temperature = str(self._celsius_file or "")
        self.absences = tuple(self._missing())

    def read(self) -> Heat:
        """Look now. It may take milliseconds where it has to ask vcgencmd: not for an event loop."""
        milli = number(self._celsius_file) if self._celsius_file else None
        return Heat(None if milli is None else milli / 1000, self._throttle())

    def _missing(self) -> Iterator[str]:
        if self._celsius_file is None:
            yield "This machine tells no temperature."
        if not self.supply:
            yield "This machine does not tell whether its supply is weak."
        elif self.supply == _HWMON:
            yield "This machine tells under-voltage, but not whether it is slowed down."


def _celsius_files(root: Path) -> Iterator[Path]:
    """Files with thousandths of a degree, the best first."""
    yield from _named(root / "sys/class/thermal", "thermal_zone*", "type", "temp", _ZONES)
    yield from _named(root / "sys/class/hwmon", "hwmon*", "name", "temp1_input", _CHIPS)


def _named(
    folder: Path, pattern: str, kind: str, file: str, names: tuple[str, ...]
) -> Iterator[Path]:
    """The `file` of whatever in the folder calls itself one of `names`, in the order of these."""
    found = sorted(folder.glob(pattern))
    for name in names:
        for each in found:
            if text(each / kind) == name and number(each / file) is not None:
                yield each / file


# ── the supply ───────────────────────────────────────────────────────────────────────────────────

_COMMAND, _FIRMWARE, _HWMON = "vcgencmd", "firmware", "rpi_volt"


def _throttle_source(
    root: Path, clock: Callable[[], float]
) -> tuple[str, Callable[[], Throttle | None]]:
    """The name of the best source and what reads it; "" and a None for ever where there is none."""
    if (command := _vcgencmd(root)) and command() is not None:
        return _COMMAND, _at_most_every(COMMAND_SECONDS, command, clock)
    firmware = root / "sys/devices/platform/soc/soc:firmware/get_throttled"
    if number(firmware, 16) is not None:
        return _FIRMWARE, lambda: _bits(text(firmware))
    alarms = _named(root / "sys/class/hwmon", "hwmon*", "name", "in0_lcrit_alarm", (_HWMON,))
    if alarm := next(alarms, None):
        return _HWMON, lambda: Throttle(number(alarm) or 0) & Throttle.UNDER_VOLTAGE
    return "", lambda: None


def _vcgencmd(root: Path) -> Callable[[], Throttle | None] | None:
    """Asks the firmware by Raspberry Pi's own tool, where it is and may open the firmware's mailbox (group video)."""
    devices = [root / "dev/vcio", root / "dev/vcio_gencmd"]
    if not any(os.access(device, os.R_OK | os.W_OK) for device in devices):
        return None
    folders = os.pathsep.join(str(root / folder) for folder in ("usr/bin", "bin", "opt/vc/bin"))
    tool = shutil.which(_COMMAND, path=folders)
    return None if tool is None else lambda: _ask(tool)


def _ask(tool: str) -> Throttle | None:
    try:
        done = subprocess.run(
            [tool, "get_throttled"], capture_output=True, text=True, timeout=_DEADLINE
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return _bits(done.stdout.partition("throttled=")[2])


def _bits(hexadecimal: str | None) -> Throttle | None:
    """`0x50005` or `50005`; None where it is no number."""
    try:
        return Throttle(int(hexadecimal or "", 16) & 0xF000F)
    except ValueError:
        return None


def _at_most_every(
    seconds: float, ask: Callable[[], Throttle | None], clock: Callable[[], float]
) -> Callable[[], Throttle | None]:
    """Answers with the last answer until it is `seconds` old."""
    last: tuple[float, Throttle | None] | None = None

    def answer() -> Throttle | None:
        nonlocal last
        if last is None or clock() - last[0] >= seconds:
            last = clock(), ask()
        return last[1]

    return answer
