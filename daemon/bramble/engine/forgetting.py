"""Deleted means gone: what the engine keeps of a conversation on disk goes with it, whatever the engine is doing."""

import asyncio
import logging
from collections.abc import Iterable
from pathlib import Path

from bramble.engine.keptfile import forget_all_but, forget_files

log = logging.getLogger("bramble.engine")


class Forgetting:
    """Deletes files of `folder` (empty: nothing is kept)."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder) if folder else None
        self._conversations, self._systems = set[str](), set[str]()

    async def forget(self, *, conversation: str = "", system: str = "") -> None:
        """What is kept of a conversation or a system prompt is gone from the disk when this returns."""
        conversations, systems = {conversation} - {""}, {system} - {""}
        self._conversations |= conversations
        self._systems |= systems
        await asyncio.to_thread(self._delete, conversations, systems)

    async def forget_all_but(self, conversations: Iterable[str]) -> None:
        """Nothing is kept of a conversation that is not one of these: its end may have been cut short."""
        if self._folder is not None:
            try:
                await asyncio.to_thread(forget_all_but, self._folder, conversations)
            except OSError as error:
                log.error("%s cannot be tidied: %s", self._folder, error.strerror)

    def engine_ended(self) -> None:
        """It may have kept what was deleted while it left, too late to hear of that."""
        if self._conversations or self._systems:
            self._delete(self._conversations, self._systems)
            self._conversations.clear()
            self._systems.clear()

    def _delete(self, conversations: set[str], systems: set[str]) -> None:
        if self._folder is None:
            return
        try:
            forget_files(self._folder, conversations, systems)
        except OSError as error:
            log.error("what is kept of something that is deleted cannot be deleted: %s", error)
