"""States of sequences on disk: a folder of them, bounded in bytes, least recently used out.

A file is whole or not there: temporary file, fsync, rename, fsync of the folder.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from bramble.engine import keptfile
from bramble.engine.keptfile import STATE, TRIED, UNFINISHED, Kept, conversation_file, file_size
from bramble.engine.overlap import common_prefix

log = logging.getLogger(__name__)

LEAVE = 64_000_000
"""Bytes of the disk that are left to everything else."""
MOST_DAYS = 7
"""A conversation that nobody went on with for so long is not kept any longer."""


class KeptFiles:
    """The files of one folder; those that hold states of the model with this fingerprint (32 bytes) can be read.

    Other models' states stay for a while, as people change models; what is no whole state is deleted. They never take
    more than `limit` bytes, nor the last `leave` bytes of the disk. `row_ms` tells what computing a token takes,
    `bytes_ms` how much the disk reads in a millisecond, before anything was read here.
    """

    def __init__(
        self,
        folder: Path,
        limit: int,
        fingerprint: bytes,
        *,
        row_ms: Callable[[], float],
        bytes_ms: float,
        leave: int = LEAVE,
    ) -> None:
        self.folder, self._limit, self._leave = folder, limit, leave
        self._fingerprint, self._row_ms = fingerprint, row_ms
        self._bytes_ms = bytes_ms
        self._told = False
        self._kept: list[Kept] = []
        for path in sorted(folder.glob("*-*.*")):
            if path.suffix in (STATE, UNFINISHED, TRIED):
                self._take_in(path)
        self._kept.sort(key=lambda kept: kept.used)
        self._make_room(0, time.time())

    @property
    def size(self) -> int:
        """Bytes in use."""
        return sum(kept.whole_size for kept in self._kept)

    def best(self, tokens: list[int], conversation: str) -> tuple[Kept | None, int]:
        """The role's or this conversation's state that shares the longest beginning, and its length (never all)."""
        own = conversation_file(self.folder, conversation) if conversation else None
        best, longest = None, 0
        for kept in self._kept:
            size = min(common_prefix(kept.tokens, tokens), len(tokens) - 1)
            if size > longest and (kept.of_role or kept.path == own):
                best, longest = kept, size
        return best, longest

    def newest_role(self) -> Kept | None:
        """The one that was used last, if there is any."""
        return next((kept for kept in reversed(self._kept) if kept.of_role and kept.tokens), None)

    def holds(self, tokens: list[int]) -> bool:
        """Whether exactly these tokens are kept as a role's."""
        return any(kept.of_role and kept.tokens == tokens for kept in self._kept)

    def pays(self, tokens: int, size: int) -> bool:
        """Whether reading a state of so many bytes beats computing so many tokens."""
        return size / self._bytes_ms < tokens * self._row_ms()

    def read(self, kept: Kept) -> bytearray | None:
        """The state, if the file is still what was written; else it is deleted.

        A conversation's file is gone after this: whoever goes on holds it. A role's is out of the way until `worked`:
        a state that ends the engine must not meet the next one.
        """
        began = time.monotonic()
        try:
            state = keptfile.read(kept.path, self._fingerprint, kept)
            if state is None or not kept.of_role:
                self.drop(kept)
            else:
                kept.path.rename(kept.path.with_suffix(TRIED))
        except OSError as error:
            log.warning("%s cannot be read: %s", kept.path, error.strerror)
            self.drop(kept)
            return None
        self._bytes_ms = kept.size / max(1000 * (time.monotonic() - began), 0.1)
        return state

    def worked(self, kept: Kept) -> None:
        """The state of a role was taken by llama.cpp."""
        if not kept.of_role:
            return
        self._kept.remove(kept)
        try:
            kept.path.with_suffix(TRIED).rename(kept.path)
            os.utime(kept.path)
        except OSError as error:
            log.warning("%s cannot be kept: %s", kept.path, error.strerror)
        else:
            self._kept.append(replace(kept, used=time.time()))

    def drop(self, kept: Kept) -> None:
        """Delete a file."""
        self._kept.remove(kept)
        _delete(kept.path)

    def forget(self, conversation: str, system: str) -> None:
        """Delete what is kept of a conversation and of a system prompt (empty: of none)."""
        path = conversation_file(self.folder, conversation)
        for kept in list(self._kept):
            if kept.path == path or (system and kept.is_of(system)):
                self.drop(kept)

    def write(
        self, path: Path, tokens: list[int], state: bytearray, used: float = 0.0
    ) -> Iterator[None]:
        """Keep a state, a piece of the file at a time; closing the iterator before the end leaves nothing.

        What cannot be written, because the disk is full or will not have it, is one line in the log. `used`: wall-clock
        time, 0 is now.
        """
        used = used or time.time()
        if not self._make_room(file_size(len(tokens), len(state)), used, path):
            return
        unfinished = path.with_suffix(UNFINISHED)
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with keptfile.create(unfinished) as file:
                yield from keptfile.put(file, self._fingerprint, tokens, state)
            os.utime(unfinished, (used, used))
            unfinished.rename(path)
            keptfile.sync_folder(self.folder)
            self._kept = [kept for kept in self._kept if kept.path != path]
            whole = file_size(len(tokens), len(state))
            self._kept.append(Kept(path, tokens, len(state), used, whole))
            self._kept.sort(key=lambda kept: kept.used)
        except OSError as error:
            log.warning("%s cannot be written: %s", path, error.strerror)
        finally:
            with suppress(OSError):  # what is left of it goes at the next start
                unfinished.unlink(missing_ok=True)

    def _take_in(self, path: Path) -> None:
        """Know a file from now on, or delete it: it is no whole state, or one that nobody came back for."""
        try:
            kept = keptfile.look(path, self._fingerprint) if path.suffix == STATE else None
        except OSError:
            kept = None
        lasting = kept is not None and kept.of_role and bool(kept.tokens)
        if kept is not None and (lasting or time.time() - kept.used < MOST_DAYS * 86_400):
            self._kept.append(kept)
        else:
            _delete(path)

    def _make_room(self, size: int, used: float, replacing: Path | None = None) -> bool:
        """Delete what was used before `used`, the oldest first, until so many bytes may be written."""
        for kept in [kept for kept in self._kept if kept.path == replacing]:
            self.drop(kept)
        while self._kept and self.size + size > self._limit and self._kept[0].used < used:
            self.drop(self._kept[0])
        if self.size + size > self._limit:
            return False
        room = _free(self.folder) - size
        if size and room < self._leave:
            if not self._told:
                self._told = True
                log.warning("%s: the disk has too little room to keep more there", self.folder)
            return False
        return True


def _delete(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        log.warning("%s cannot be deleted: %s", path, error.strerror)


def _free(folder: Path) -> int:
    """Bytes that may still be written there; the folder may not be there yet."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    there = os.statvfs(folder)
    return there.f_bavail * there.f_frsize
