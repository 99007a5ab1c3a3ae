"""An update's file: a tar of wheels, of locks that name them with their hashes, and of units, and of nothing else."""

import re
import shutil
import tarfile
from pathlib import Path

from bramble.errors import BrambleError
from bramble.updates.requested import MOST_BYTES

WANTED = re.compile(r"(?:\./)?([\w.+!-]+\.whl|requirements-3\.\d+\.lock|systemd/bramble[\w.-]*)")


class BadPack(BrambleError):
    """The file is no update for this machine; nothing was changed."""

    code = "bad_pack"


def unpack(pack: Path, house: Path) -> None:
    """Write what is wanted into the empty folder `house`. Raises BadPack."""
    (house / "systemd").mkdir(parents=True)
    left = MOST_BYTES
    try:
        with tarfile.open(pack) as tar:
            for member in tar:
                if member.isdir():
                    continue
                wanted = WANTED.fullmatch(member.name)
                left -= member.size
                content = tar.extractfile(member) if member.isreg() and wanted else None
                if content is None or wanted is None or left < 0:
                    raise BadPack(f"{pack.name} is no update of Bramble: it holds {member.name}.")
                with content, (house / wanted[1]).open("wb") as file:
                    shutil.copyfileobj(content, file)
    except (tarfile.TarError, EOFError) as error:
        raise BadPack(f"{pack.name} is no update of Bramble: {error}.") from error


def lock_of(house: Path, python: str) -> Path:
    """The lock for this Python (`3.13`). Raises BadPack."""
    lock = house / f"requirements-{python}.lock"
    if not lock.is_file():
        there = sorted(each.name for each in house.glob("requirements-*.lock"))
        raise BadPack(
            f"This update is not for Python {python}.",
            f"It has {', '.join(there) or 'no locks at all'}; make one with deploy/wheels/build.sh --python {python}.",
        )
    return lock


def version_in(lock: Path) -> str:
    """Bramble's own version. Raises BadPack."""
    found = re.search(r"^bramble==(\S+)", lock.read_text(), re.MULTILINE)
    if found is None:
        raise BadPack("This update has no Bramble in it.")
    return found[1]
