"""The code that makes somebody the owner of a fresh appliance: whoever can read the terminal, the log or the disk.

Without it the first one on the network could take the appliance before its owner does.
"""

import hmac
from contextlib import suppress
from pathlib import Path

from bramble import durable
from bramble.access.passwords import random_words, typed

FILE = "setup-code"


def read_or_make(state_dir: Path) -> str:
    """The code, the same until a password is set. Raises OSError."""
    file = state_dir / FILE
    with suppress(FileNotFoundError):
        if code := file.read_text(errors="replace").strip():
            return code
    code = random_words(2)
    durable.replace(file, f"{code}\n".encode())
    return code


def is_right(code: str, state_dir: Path) -> bool:
    """Whether somebody knows it; nobody does where there is none."""
    try:
        right = typed((state_dir / FILE).read_text(errors="replace"))
    except OSError:
        return False
    return bool(right) and hmac.compare_digest(typed(code).encode(), right.encode())


def remove(state_dir: Path) -> None:
    """It has done its work."""
    (state_dir / FILE).unlink(missing_ok=True)
