"""Small files that the kernel writes, read below a root that a test may replace. What cannot be read is None."""

from pathlib import Path

MACHINE = Path("/")
"""The root of the machine this runs on."""


def text(file: Path) -> str | None:
    """What stands in the file, without the newline, blanks or NUL at its end."""
    try:
        with open(file, "rb", buffering=0) as raw:  # noqa: PTH123 (once a second: pathlib takes as long again)
            return raw.read().decode(errors="replace").rstrip("\0\n ")
    except OSError:
        return None


def number(file: Path, base: int = 10) -> int | None:
    """The whole number that the file holds alone."""
    try:
        return int(text(file) or "", base)
    except ValueError:
        return None


def amounts(file: Path) -> dict[str, int]:
    """Lines like `MemTotal:  927028 kB` (in bytes then) or `inactive_file 4096`, by name; {} where there are none."""
    found: dict[str, int] = {}
    for line in (text(file) or "").splitlines():
        name, *rest = line.split()
        if rest and rest[0].isdecimal():
            found[name.rstrip(":")] = int(rest[0]) * (1024 if rest[1:] == ["kB"] else 1)
    return found
