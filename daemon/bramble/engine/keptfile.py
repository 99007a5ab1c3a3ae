"""One state of a sequence on disk: what the file is called, what is in it, and that it is what was written.

llama.cpp may abort on a state that is not its own, so nothing is read that is not right to the last bit. Also for the
daemon, which deletes what is kept of a conversation that is deleted.
"""

import hashlib
import os
import struct
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

MAGIC = b"bramble1"
_HEAD = struct.Struct("<8s32sIQ")
"""Magic, fingerprint, count of tokens, bytes of state. Tokens (int32) and state follow, then a digest of it all."""
DIGEST = 32
CHUNK = 1 << 20
"""Bytes written between two looks at what else there is to do: a slow card takes a tenth of a second for them."""
STATE, UNFINISHED, TRIED = ".state", ".unfinished", ".tried"
ROLE, CONVERSATION = "role-", "conversation-"


@dataclass(frozen=True)
class Kept:
    """A file that had its whole length when it was last looked at. `used` is wall-clock time, sizes are in bytes.

    One of another model has no `tokens`: it takes room, and nothing can be done with it.
    """

    path: Path
    tokens: list[int]
    size: int
    used: float
    whole_size: int

    def is_of(self, system: str) -> bool:
        """Whether it is of this system prompt."""
        return self.path.name.startswith(_of_system(system))

    @property
    def of_role(self) -> bool:
        """Whether it is anybody's, not one conversation's."""
        return self.path.name.startswith(ROLE)


def file_size(tokens: int, state: int) -> int:
    """Bytes of a file."""
    return _HEAD.size + 4 * tokens + state + DIGEST


def role_file(folder: Path, system: str, tokens: list[int]) -> Path:
    """Where the state of a system prompt is kept, with the tools that make it these tokens."""
    return folder / f"{_of_system(system)}{_short(array('i', tokens).tobytes())}{STATE}"


def conversation_file(folder: Path, conversation: str) -> Path:
    """Where the one state of a conversation is kept."""
    return folder / f"{CONVERSATION}{_short(conversation.encode())}{STATE}"


# ── for the daemon ───────────────────────────────────────────────────────────────────────────────


def forget_files(folder: Path, conversations: Iterable[str], systems: Iterable[str] = ()) -> None:
    """What is kept of these conversations and system prompts is gone for good when this returns. Raises OSError."""
    starts = [f"{conversation_file(folder, each).stem}." for each in conversations]
    starts += [_of_system(each) for each in systems]
    # No glob: Python keeps hundreds of patterns, and each of these is used once.
    there = folder.iterdir() if folder.is_dir() else ()
    _remove([file for file in there if file.name.startswith(tuple(starts))])


def forget_all_but(folder: Path, conversations: Iterable[str]) -> None:
    """What is kept of conversations that are no more is gone for good when this returns. Raises OSError."""
    known = {conversation_file(folder, each).stem for each in conversations}
    _remove([file for file in folder.glob(f"{CONVERSATION}*") if file.stem not in known])


def _remove(files: list[Path]) -> None:
    for file in files:
        file.unlink(missing_ok=True)
    if files:
        sync_folder(files[0].parent)


# ── what is in it ────────────────────────────────────────────────────────────────────────────────


def create(path: Path) -> BinaryIO:
    """A new file for nobody else's eyes: tokens are words."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, 0o600), "wb")


def put(file: BinaryIO, fingerprint: bytes, tokens: list[int], state: bytearray) -> Iterator[None]:
    """Write it all, and wait after each piece until that is on the disk."""
    start = _HEAD.pack(MAGIC, fingerprint, len(tokens), len(state)) + array("i", tokens).tobytes()
    digest = hashlib.blake2b(start, digest_size=DIGEST)
    file.write(start)
    for at in range(0, len(state), CHUNK):
        block = memoryview(state)[at : at + CHUNK]
        digest.update(block)
        file.write(block)
        file.flush()
        os.fdatasync(file.fileno())  # so that no later wait is longer than one piece's
        yield
    file.write(digest.digest())
    file.flush()
    os.fsync(file.fileno())


def look(path: Path, fingerprint: bytes) -> Kept | None:
    """What a file says it is, if it has the length it says. Raises OSError."""
    with path.open("rb") as file:
        start = file.read(_HEAD.size)
        if len(start) < _HEAD.size:
            return None
        magic, whose, count, size = _HEAD.unpack(start)
        whole = file_size(count, size)
        there = os.fstat(file.fileno())
        if magic != MAGIC or there.st_size != whole:
            return None
        tokens = array("i", file.read(4 * count)).tolist() if whose == fingerprint else []
        return Kept(path, tokens, size, there.st_mtime, whole)


def read(path: Path, fingerprint: bytes, kept: Kept) -> bytearray | None:
    """The state of a file that is, to the last bit, what was written of these tokens. Raises OSError."""
    now = look(path, fingerprint)
    if now is None or (now.tokens, now.size) != (kept.tokens, kept.size):
        return None
    with path.open("rb") as file:
        start = file.read(_HEAD.size + 4 * len(kept.tokens))
        state = bytearray(kept.size)
        if file.readinto(state) != kept.size:
            return None
        digest = hashlib.blake2b(start, digest_size=DIGEST)
        digest.update(state)
        return state if file.read() == digest.digest() else None


def _of_system(system: str) -> str:
    return f"{ROLE}{_short(system.encode('utf-8', 'replace'))}-"


def _short(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=12).hexdigest()


def sync_folder(folder: Path) -> None:
    """Names in it are as safe as what they name only after this."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
