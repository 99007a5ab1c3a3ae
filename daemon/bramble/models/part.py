"""A file that is on its way: what is here of it, its hash so far, and the one moment at which it becomes a model."""

import fcntl
import hashlib
import os
from pathlib import Path
from typing import IO

import msgspec

PREFIX = ".part-"
_BLOCK = 1 << 20


class Origin(msgspec.Struct, frozen=True):
    """Which version of a file the bytes are from: `validator` is what the server knows it by, may be empty."""

    url: str
    validator: str = ""


class Part:
    """The unfinished file beside `target`, held by one process at a time; it survives both a cut and a restart."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self.path, self._note = self.files(target)
        self._file = self._hold()
        self.origin = self._read_note()
        self._digest = hashlib.sha256()
        self.size = 0
        while block := self._file.read(_BLOCK):
            self._digest.update(block)
            self.size += len(block)

    @staticmethod
    def files(target: Path) -> tuple[Path, Path]:
        """What an unfinished download of `target` consists of."""
        part = target.with_name(f"{PREFIX}{target.name}")
        return part, part.with_name(f"{part.name}.json")

    @property
    def sha256(self) -> str:
        """Of what is here, in hex."""
        return self._digest.hexdigest()

    @property
    def beginning(self) -> bytes:
        """The first four bytes, as far as they are here."""
        self._file.flush()
        return os.pread(self._file.fileno(), 4, 0)

    def begin(self, origin: Origin) -> None:
        """Forget what is here and take this version of the file."""
        self._file.seek(0)
        self._file.truncate()
        self._digest, self.size = hashlib.sha256(), 0
        self.origin = origin
        self._note.write_bytes(msgspec.json.encode(origin))

    def append(self, block: bytes) -> None:
        """The next bytes."""
        self._file.write(block)
        self._digest.update(block)
        self.size += len(block)

    def activate(self) -> None:
        """Give it its name, once all of it is on the disk; who called has compared size and hash."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self.path.replace(self._target)
        self._note.unlink(missing_ok=True)
        folder = os.open(self._target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # the rename is as safe as the bytes only after this
        finally:
            os.close(folder)

    def discard(self) -> None:
        """Throw it away."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def close(self) -> None:
        """Let others have it; what is here stays."""
        if not self.size:
            self.discard()
        self._file.close()

    def _hold(self) -> IO[bytes]:
        """Open and lock it; who waited for another may find the file renamed, and takes a new one."""
        while True:
            file = self.path.open("a+b")
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
                if _is_at(self.path, file):
                    file.seek(0)
                    return file
            except BaseException:
                file.close()
                raise
            file.close()

    def _read_note(self) -> Origin:
        try:
            return msgspec.json.decode(self._note.read_bytes(), type=Origin)
        except (OSError, msgspec.DecodeError):
            return Origin("")


def _is_at(path: Path, file: IO[bytes]) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def leftovers(models_dir: Path) -> list[Path]:
    """Files of downloads that are not finished."""
    return sorted(models_dir.glob(f"{PREFIX}*"))
