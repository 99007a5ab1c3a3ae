"""What of the cache outlives this process: roles, written while nobody is being answered, and at a clean stop the
conversations that are still hot. It keeps nothing while the board is short of anything, and waits for no card for long.
"""

import hashlib
import logging
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from bramble.engine import llama
from bramble.engine.batch import Pace
from bramble.engine.kept import KeptFiles
from bramble.engine.keptfile import conversation_file, role_file
from bramble.engine.llama import Model
from bramble.engine.prefix import PrefixCache
from bramble.engine.roles import Roles
from bramble.engine.template import ChatTemplate
from bramble.engine.wire import Generate, Load

log = logging.getLogger(__name__)

LEAST_TOKENS = 64
"""Fewer are computed in a step or two."""
CELLS = "f16, values transposed"
SAMPLES, SAMPLE_BYTES = 16, 1 << 16
"""So many pieces of a model's file tell it from every other of the same size and time."""


class Keeper:
    """Between the loop and the files. True while there is something to do for which there is no hurry."""

    def __init__(
        self,
        files: KeptFiles | None,
        cache: PrefixCache,
        model: Model,
        template: ChatTemplate,
    ) -> None:
        self._files, self._cache = files, cache
        self._roles = Roles(model, template)
        self._missed: list[tuple[str, list[int]]] = []
        self._writing: Iterator[None] | None = None
        self._fresh = files is not None
        self._allowed = True

    def __bool__(self) -> bool:
        return self._allowed and (self._fresh or self._writing is not None or bool(self._roles))

    def seen(self, request: Generate, prompt: list[int]) -> None:
        """Somebody asks this; its role may come again."""
        if self._files is not None and self._allowed:
            self._fresh = False
            self._roles.seen(request, prompt)

    def allow(self, allowed: bool) -> None:
        """Whether anything may be kept or fetched ahead from now on; what is under way is given up else."""
        self._allowed = allowed
        if not allowed:
            self._fresh = False
            self._roles.clear()
            self._missed.clear()
            self._writing = None

    def work(self) -> None:
        """Do a little of what there is to do: a tenth of a second on a slow card."""
        if self._writing is not None:
            if next(self._writing, self) is self:
                self._writing = None
        elif self._fresh:
            self._fresh = False
            self._cache.warm()
        elif self._roles:
            self._writing = self._role(*self._roles.next(), last=False)

    def forget(self, conversation: str, system: str) -> None:
        """A conversation or a system prompt is deleted: nothing of it stays on disk, nor of the conversation here."""
        if conversation:
            self._cache.forget_conversation(conversation)
        if system:
            self._writing = None  # it may be of this one
        self._roles.forget(system)
        self._missed = [missed for missed in self._missed if missed[0] != system]
        if self._files is not None:
            self._files.forget(conversation, system)

    def save(self, seconds: float) -> None:
        """The engine leaves: keep what is hot, the newest first, as far as this time goes."""
        files, deadline = self._files, time.monotonic() + seconds
        if files is None or not self._allowed or seconds <= 0:
            return
        for writing in (self._writing or iter(()), self._conversations(files), self._rest()):
            for _ in writing:
                if time.monotonic() > deadline:
                    log.warning("the time to stop was too short to keep everything that was hot")
                    return

    def _conversations(self, files: KeptFiles) -> Iterator[None]:
        now, clock = time.time(), time.monotonic()
        done = set[str]()
        for prefix in self._cache.hot():
            if prefix.conversation in done:
                continue
            done.add(prefix.conversation)
            if self._pays(prefix.tokens, len(prefix.state)):
                path = conversation_file(files.folder, prefix.conversation)
                used = now - (clock - prefix.used)
                yield from files.write(path, prefix.tokens, prefix.state, used)

    def _rest(self) -> Iterator[None]:
        """Roles that found no room to be copied before."""
        while self._roles:
            self._missed.append(self._roles.next())
        for system, tokens in self._missed:
            yield from self._role(system, tokens, last=True)

    def _role(self, system: str, tokens: list[int], *, last: bool) -> Iterator[None]:
        """Keep the state of exactly these tokens, where that is worth it and there is a way to get it."""
        files = self._files
        if files is None or files.holds(tokens) or len(tokens) < LEAST_TOKENS:
            return
        state = self._cache.snapshot(tokens, last=last)
        if state is None and not last:
            self._missed.append((system, tokens))
        elif state is not None and self._pays(tokens, len(state)):
            yield from files.write(role_file(files.folder, system, tokens), tokens, state)

    def _pays(self, tokens: list[int], size: int) -> bool:
        """Whether it is worth its bytes: it is written once, and read only where somebody waits for it."""
        return (
            self._files is not None
            and len(tokens) >= LEAST_TOKENS
            and self._files.pays(len(tokens), size)
        )


def kept_files(
    order: Load, model: Model, pace: Pace, *, context: int, seconds: float
) -> KeptFiles | None:
    """The states that are on disk for this order, if it wants any kept. The model was read in so many seconds."""
    if not (order.kept and order.kept_bytes):
        return None
    try:
        finger = fingerprint(Path(order.model), model, context)
        return KeptFiles(
            Path(order.kept),
            order.kept_bytes,
            finger,
            row_ms=lambda: pace.row_ms,
            bytes_ms=model.size / 1000 / seconds,
        )
    except OSError as error:
        log.warning("nothing is kept in %s: %s", order.kept, error.strerror)
        return None


def fingerprint(file: Path, model: Model, context: int) -> bytes:
    """What a state holds for: this file, this llama.cpp on this processor, and what shapes its cells.

    The length of the context changes what is computed only where the rotation of positions depends on it (longrope).
    """
    digest = hashlib.blake2b(digest_size=32)
    there = file.stat()
    build = f"{version('llama-cpp-python')} {llama.system_info()}"
    scaling = model.meta(f"{model.meta('general.architecture')}.rope.scaling.type")
    long = context if scaling == "longrope" else 0
    digest.update(f"{there.st_size} {there.st_mtime_ns} {build} {CELLS} {long}".encode())
    with file.open("rb") as weights:
        for piece in range(SAMPLES):
            weights.seek(there.st_size * piece // SAMPLES)
            digest.update(weights.read(SAMPLE_BYTES))
    return digest.digest()
