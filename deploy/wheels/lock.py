"""Prints a pip lock of a wheelhouse for one Python: each wheel's project and version with its hash."""

import hashlib
import sys
from pathlib import Path


def line(wheel: Path) -> str:
    """The requirement that only this very file meets."""
    name, version, *_ = wheel.name.split("-")
    with wheel.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return f"{name.lower().replace('_', '-')}=={version} --hash=sha256:{digest}"


if __name__ == "__main__":
    print("\n".join(map(line, sorted(Path(sys.argv[1]).glob("*.whl")))))
