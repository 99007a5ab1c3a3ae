"""What the kernel says of this process's memory, the machine's, and the control groups' it is in; in bytes."""

from collections.abc import Iterator
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
RESERVE_SHARE, LEAST_RESERVE = 0.05, 64_000_000
"""What is left to everybody else: this part of all memory, and at least so much."""


def peak() -> int:
    """The largest resident size of this process so far, mapped files included; 0 where the kernel does not say.

    Not `getrusage`: its figure is inherited from whatever was there before exec.
    """
    return _field("/proc/self/status", "VmHWM:")


def resident() -> int:
    """The resident size of this process now."""
    return _field("/proc/self/status", "VmRSS:")


def available() -> int:
    """What could be used without swapping, here and in every control group above; 0 where the kernel does not say."""
    return min([_field("/proc/meminfo", "MemAvailable:"), *_left_in_groups()])


def budget() -> int:
    """What a model may take: of what is available, all but a reserve."""
    reserve = max(int(_field("/proc/meminfo", "MemTotal:") * RESERVE_SHARE), LEAST_RESERVE)
    return max(available() - reserve, 0)


def _field(file: str, name: str) -> int:
    try:
        lines = Path(file).read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(name)), 0)


# ── control groups, version 2 and the memory controller of version 1 ─────────────────────────────


def _left_in_groups() -> Iterator[int]:
    for group, limit_file, usage_file, cache_field in _groups():
        limit, usage = _number(group / limit_file), _number(group / usage_file)
        if limit is not None and usage is not None:
            yield max(limit - usage + _cache(group / "memory.stat", cache_field), 0)


def _groups() -> Iterator[tuple[Path, str, str, str]]:
    """Every group this process is in that may have a limit: its folder and what the kernel calls things there."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, name = line.split(":", 2)
        inside = Path(name.lstrip("/"))
        for part in (inside, *inside.parents):
            if not controllers:
                for limit in ("memory.max", "memory.high"):
                    yield GROUPS / part, limit, "memory.current", "inactive_file"
            elif "memory" in controllers.split(","):
                folder = GROUPS / "memory" / part
                yield (
                    folder,
                    "memory.limit_in_bytes",
                    "memory.usage_in_bytes",
                    "total_inactive_file",
                )


def _number(file: Path) -> int | None:
    """What stands in the file; None where there is no such file or no limit (`max`)."""
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None


def _cache(stat: Path, field: str) -> int:
    """Pages of files that the group gives back when it needs to."""
    try:
        lines = stat.read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{field} ")), 0)
