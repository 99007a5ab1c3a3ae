"""`bramble backup` and `bramble restore`: conversations into one file and back, whether the daemon runs or not."""

import os
import shutil
from pathlib import Path

from bramble.chat import copies
from bramble.chat.file import DATABASE, RESTORING, File
from bramble.config import Config
from bramble.control import ask


def backup(config: Config, target: Path) -> None:
    """Write all conversations and roles of one's own into `target`. Raises NoCopy."""
    copies.copy(config.state_dir / DATABASE, target.absolute())
    size = target.stat().st_size / 1e6
    print(f"{target} has all conversations ({size:,.1f} MB). Nobody should read it but you.")


def restore(config: Config, source: Path) -> None:
    """Put a copy in place of what is there. Raises NoCopy, Failed."""
    copies.check(source)
    folder = config.state_dir
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = folder / RESTORING
    try:
        _bring(source, part, folder)
        if (told := ask(folder, "restore")) is None:
            File(folder / DATABASE).restore()
            told = "The daemon does not run; it will find them when it starts."
    finally:
        part.unlink(missing_ok=True)
    print(f"The conversations of {source} are in place. {told}")


def _bring(source: Path, part: Path, folder: Path) -> None:
    """Into the daemon's folder and hands: who runs this may be root, and then the daemon could not read it."""
    try:
        part.unlink(missing_ok=True)
        shutil.copyfile(source, part)
        part.chmod(0o600)
        owner = folder.stat()
        if os.geteuid() == 0:
            os.chown(part, owner.st_uid, owner.st_gid)
    except OSError as error:
        raise copies.NoCopy(f"{source} cannot be copied into {folder}: {error}.") from error
