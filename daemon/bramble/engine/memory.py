"""What the kernel says about this process's memory and the machine's, in bytes."""

from pathlib import Path


def peak() -> int:
    """The largest resident size of this process so far, mapped files included; 0 where the kernel does not say.

    Not `getrusage`: its figure is inherited from whatever was there before exec.
    """
    return _field("/proc/self/status", "VmHWM:")


def available() -> int:
    """What could be used without swapping, 0 where the kernel does not say."""
    return _field("/proc/meminfo", "MemAvailable:")


def _field(file: str, name: str) -> int:
    try:
        lines = Path(file).read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(name)), 0)
