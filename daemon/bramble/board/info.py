"""Which board this is: name, processor, memory, kernel. Facts that stay while it is on; nothing is judged here."""

import re
from pathlib import Path

from msgspec import Struct

from bramble.board.cgroup import has_memory_controller
from bramble.board.files import MACHINE, amounts, text

_ARM_CORES = {"0xd03": "Cortex-A53", "0xd08": "Cortex-A72", "0xd0b": "Cortex-A76"}
"""CPU part numbers of ARM Ltd. in the boards that Bramble is made for (arch/arm64/include/asm/cputype.h)."""

_FEATURES = {
    "asimd": "neon",
    "asimddp": "dotprod",
    "asimdhp": "fp16",
    "i8mm": "i8mm",
    "bf16": "bf16",
    "sve": "sve",
    "avx": "AVX",
    "avx2": "AVX2",
    "fma": "FMA",
    "f16c": "F16C",
    "avx512f": "AVX-512",
    "avx_vnni": "AVX-VNNI",
    "avx512_vnni": "AVX512-VNNI",
}
"""What matters to llama.cpp's kernels: the kernel's word for it and the usual one."""


class Board(Struct, frozen=True):
    """One machine. `memory` in bytes; Texts are "" where nothing tells, `governor` None where there is none."""

    model: str
    compatible: tuple[str, ...]
    cpu: str
    cores: int
    features: tuple[str, ...]
    memory: int
    kernel: str
    system: str
    governor: str | None
    memory_controller: bool
    pressure: bool

    @property
    def is_pi(self) -> bool:
        """Whether this is a Raspberry Pi of any kind."""
        return any(name.startswith("raspberrypi,") for name in self.compatible)

    @property
    def noun(self) -> str:
        """What a sentence calls it."""
        return "Pi" if self.is_pi else "machine"


def read(root: Path = MACHINE) -> Board:
    """Ask the kernel."""
    cpuinfo = text(root / "proc/cpuinfo") or ""
    tree = root / "proc/device-tree"
    return Board(
        model=text(tree / "model") or _dmi(root),
        compatible=tuple(filter(None, (text(tree / "compatible") or "").split("\0"))),
        cpu=_cpu(cpuinfo),
        cores=len(re.findall(r"^processor\s*:", cpuinfo, re.MULTILINE)),
        features=_features(cpuinfo),
        memory=amounts(root / "proc/meminfo").get("MemTotal", 0),
        kernel=text(root / "proc/sys/kernel/osrelease") or "",
        system=_system(root),
        governor=text(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        memory_controller=has_memory_controller(root),
        pressure=(root / "proc/pressure/memory").exists(),
    )


def _field(cpuinfo: str, *names: str) -> str:
    """The first line of that name: every core has one, and those that count here are alike on all."""
    match = re.search(rf"^(?:{'|'.join(names)})\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    return match[1].strip() if match else ""


def _cpu(cpuinfo: str) -> str:
    part = _field(cpuinfo, "CPU part")
    return _field(cpuinfo, "model name") or _ARM_CORES.get(part, part)


def _features(cpuinfo: str) -> tuple[str, ...]:
    told = set(_field(cpuinfo, "Features", "flags").split())
    return tuple(usual for word, usual in _FEATURES.items() if word in told)


def _dmi(root: Path) -> str:
    """How a PC's firmware calls it."""
    names = (text(root / "sys/class/dmi/id" / name) for name in ("sys_vendor", "product_name"))
    return " ".join(filter(None, names))


def _system(root: Path) -> str:
    """The distribution's name as os-release(5) gives it."""
    match = re.search(
        r'^PRETTY_NAME="?([^"\n]*)', text(root / "etc/os-release") or "", re.MULTILINE
    )
    return match[1] if match else ""
