"""Lets the model write into a stored reply: the history that fits goes in, parts are kept, the end closes it."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from functools import partial

from bramble.chat import parts
from bramble.chat.answer import Answer, Events, Over
from bramble.chat.answers import Answers
from bramble.chat.file import DiskFull
from bramble.chat.history import History, recalled
from bramble.chat.parts import Part
from bramble.chat.recall import Recall
from bramble.chat.records import Given, Status, Stored
from bramble.chat.roles import Manner, Roles, manner
from bramble.chat.store import Store
from bramble.config import ChatSettings
from bramble.engine.client import Engine
from bramble.engine.extras import Said
from bramble.engine.wire import Started
from bramble.errors import PromptTooLong
from bramble.scheduler import Request

WRITE_SECONDS, WRITE_MORE, WRITE_MOST = 3.0, 2.0, 15.0
"""A running answer is kept after so many seconds, then so many times as long up to the last: each write
wears a card by a block or two, and what a power cut costs is computed again."""

STATUS: dict[str, Status] = {
    "stop": "whole",
    "length": "cut",
    "stopped": "stopped",
    "error": "interrupted",
}

Submit = Callable[[Request], Events]


class Writer:
    """Begins answers. `running` has them by conversation; whoever changes that holds `changing`."""

    def __init__(
        self,
        settings: ChatSettings,
        store: Store,
        engine: Engine,
        recall: Recall,
        roles: Roles,
    ) -> None:
        self.settings, self._store, self._roles = settings, store, roles
        self._engine, self._recall = engine, recall
        self.answers = Answers()
        self.running: dict[str, Answer] = {}
        self.changing = asyncio.Lock()

    async def begin(self, owner: str, person: str, stored: Stored, *, fresh: bool) -> Answer:
        """Answer the last message of the branch that is shown; `fresh` computes it in any case. Raises Stopping."""
        *past, question, reply = await self._store.messages(owner, stored.conversation)
        role = await self._roles.of(owner, stored.conversation)
        who = manner(self.settings, role)
        history = recalled(who, past, question.text, asked=question.id, reply=reply)
        answer = self.running[stored.conversation] = Answer(stored.reply, owner, stored.text)
        kept = _Kept(answer)
        behind = asyncio.create_task(self._write_behind(answer, kept))
        settle = partial(self._settle, answer, stored.conversation, history, kept, behind)
        submit = partial(self._recall.submit, answer, person, pinned=role is None, fresh=fresh)
        events = self._fitting(answer, submit, history, who, stored, kept)
        self.answers.begin(answer, events, settle, keep=True)
        return answer

    async def _fitting(
        self,
        answer: Answer,
        submit: Submit,
        history: History,
        who: Manner,
        stored: Stored,
        kept: "_Kept",
    ) -> Events:
        """The answer's events, from as much history as fits. Raises PromptTooLong where the message alone does not."""
        said = stored.said
        length = who.max_tokens + _length(said)
        self.foresee(history)
        while True:
            answer.trimmed = history.left_out
            request = Request(
                history.turns,
                length,
                sampling=who.sampling,
                said=said,
                conversation=stored.conversation,
            )
            try:
                async with aclosing(submit(request)) as events:
                    async for event in events:
                        if isinstance(event, Started):
                            kept.model = self._recall.model
                            self._check_room(event.prompt_tokens + _length(said), history)
                        yield event
                return
            except PromptTooLong as error:
                if not history.shrink(error.prompt_tokens, error.context):
                    raise

    def foresee(self, history: History) -> None:
        """Leave out what the model's context will not hold."""
        model = self._engine.state.model
        if model is not None:
            history.foresee(model.context)

    def _check_room(self, tokens: int, history: History) -> None:
        """A prompt that fills the context is too long as well: its answer would break off after a few words."""
        model = self._engine.state.model
        if model is not None and not history.fits(tokens, model.context):
            raise PromptTooLong(tokens, model.context)

    async def _write_behind(self, answer: Answer, kept: "_Kept") -> None:
        wait = WRITE_SECONDS
        while True:
            await asyncio.sleep(wait)
            wait = min(wait * WRITE_MORE, max(WRITE_MOST, WRITE_SECONDS))
            if part := kept.next():
                keep = partial(parts.add, message=answer.reply, part=part)
                try:
                    # What was handed to the store is kept, also where the answer ends this moment.
                    await asyncio.shield(self._store.note(keep))
                except DiskFull:  # it may have room again in a moment, or at the end
                    kept.take_back()

    async def _settle(
        self,
        answer: Answer,
        conversation: str,
        history: History,
        kept: "_Kept",
        behind: asyncio.Task[None],
        over: Over,
    ) -> None:
        behind.cancel()
        async with self.changing:
            del self.running[conversation]
            reason = over.error.code if over.error else answer.recalled or ""
            status, last = STATUS[over.reason], kept.next()
            given = Given(history.since, answer.taken)
            await self._store.write(answer.reply, answer.text, status, reason, last, given)


class _Kept:
    """How much of an answer the store has in parts; `model` writes it to its end, also when another takes over."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.model = ""
        self._place = self._before = len(answer.pieces), 0

    def next(self) -> Part | None:
        """What was written since, which counts as kept from now on."""
        answer, self._before = self._answer, self._place
        pieces, tokens = answer.pieces[self._place[0] :], answer.tokens[self._place[1] :]
        self._place = len(answer.pieces), len(answer.tokens)
        return Part("".join(pieces), tuple(tokens), self.model) if pieces else None

    def take_back(self) -> None:
        """The part that came last could not be kept: the next one holds it as well."""
        self._place = self._before


def _length(said: Said) -> int:
    """About how many tokens there are of an answer: four letters each where they are not known, or one 汉字."""
    wide = sum(letter > "\u00ff" for letter in said.text)
    return len(said.tokens) + wide + (len(said.text) - wide) // 4
