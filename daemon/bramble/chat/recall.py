"""Answers that need no computing: pinned ones, and those that the same first question got before (`cache.enabled`).

Everything else goes to the scheduler. Only first questions: what follows depends on what was said before.
"""

import hashlib
import sqlite3
import time
from contextlib import aclosing
from pathlib import Path

import msgspec

from bramble.chat.answer import Answer, Events
from bramble.chat.faq import Faq, normalized
from bramble.chat.file import DiskFull
from bramble.chat.store import Store
from bramble.config import CacheSettings
from bramble.engine.client import Engine, EngineState
from bramble.engine.extras import Extras, Said
from bramble.engine.wire import Done, Piece, Started
from bramble.scheduler import Request, Scheduler

DAY = 86_400.0


class Known(msgspec.Struct, frozen=True):
    """An answer with the lengths in tokens that it had."""

    text: str
    prompt_tokens: int
    completion_tokens: int


class Recall:
    """In front of the scheduler. `model` is whose answers these are: a name and a size, as files of one name differ."""

    def __init__(
        self, settings: CacheSettings, store: Store, engine: Engine, scheduler: Scheduler
    ) -> None:
        self._settings, self._store, self._scheduler = settings, store, scheduler
        self._faq = Faq(Path(settings.faq).expanduser() if settings.faq else None)
        self.model = ""
        engine.watch(self._remember)

    def _remember(self, state: EngineState) -> None:
        if state.model is not None:
            self.model = f"{state.model.name} {state.model.size}"

    async def submit(
        self, answer: Answer, person: str, request: Request, *, pinned: bool, fresh: bool
    ) -> Events:
        """As `Scheduler.submit`. `pinned`: whether a pinned answer may stand here; `fresh`: compute it anyway."""
        first = _is_first(request)
        if first and pinned and not fresh and (text := self._faq.find(request.turns[-1].content)):
            answer.recalled = "pinned"
            for event in _told(Known(text, 0, 0)):
                yield event
            return
        remembers = first and self._settings.enabled
        if remembers and not fresh and (known := await self._find(_key(self.model, request))):
            answer.recalled = "cache"
            for event in _told(known):
                yield event
            return
        model = ""
        async with aclosing(self._scheduler.submit(person, request)) as events:
            async for event in events:
                if isinstance(event, Started):
                    model = self.model  # this one's to its end, also when another takes over
                if remembers and isinstance(event, Done) and event.reason == "stop":
                    known = Known(answer.text, event.prompt_tokens, event.completion_tokens)
                    await self._keep(_key(model, request), known, answer.reply)
                yield event

    async def _find(self, key: bytes) -> Known | None:
        since = time.time() - self._settings.days * DAY
        return await self._store.read(lambda database: _find(database, key, since))

    async def _keep(self, key: bytes, known: Known, reply: int) -> None:
        most, since = self._settings.answers, time.time() - self._settings.days * DAY

        def keep(database: sqlite3.Connection) -> None:
            _keep(database, key, known, reply or None)
            _trim(database, most, since)

        try:
            await self._store.note(keep)
        except DiskFull:
            return  # it is computed again


def _is_first(request: Request) -> bool:
    """Whether all that counts is one question, and nothing about the answer was asked for but its words."""
    asked = [turn.role for turn in request.turns if turn.role != "system"]
    plain = request.extras == Extras() and request.said == Said() and not request.stop
    return asked == ["user"] and plain and request.sampling.seed is None


def _told(known: Known) -> tuple[Started, Piece, Done]:
    prompt, completion = known.prompt_tokens, known.completion_tokens
    return (
        Started(0, prompt, prompt),
        Piece(0, known.text, completion),
        Done(0, "stop", prompt, prompt, completion, 0.0, 0.0),
    )


def _key(model: str, request: Request) -> bytes:
    """The same for questions that mean the same, asked of the same model in the same way."""
    *before, question = request.turns
    what = (model, before, normalized(question.content), request.max_tokens, request.sampling)
    return hashlib.sha256(msgspec.msgpack.encode(what)).digest()


# ── in the store's thread ────────────────────────────────────────────────────────────────────────


def _find(database: sqlite3.Connection, key: bytes, since: float) -> Known | None:
    statement = """
        SELECT text, prompt_tokens, completion_tokens FROM cached WHERE key = ? AND created > ?
    """
    row = database.execute(statement, (key, since)).fetchone()
    return Known(*row) if row else None


def _keep(database: sqlite3.Connection, key: bytes, known: Known, message: int | None) -> None:
    """It goes with the message that it was given as: deleted means gone."""
    statement = "INSERT OR REPLACE INTO cached VALUES (?, ?, ?, ?, ?, ?)"
    lengths = known.prompt_tokens, known.completion_tokens
    database.execute(statement, (key, known.text, *lengths, message, time.time()))


def _trim(database: sqlite3.Connection, most: int, since: float) -> None:
    statement = """
        DELETE FROM cached WHERE created <= ?
        OR key IN (SELECT key FROM cached ORDER BY created DESC LIMIT -1 OFFSET ?)
    """
    database.execute(statement, (since, most))
