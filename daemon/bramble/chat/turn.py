"""One turn of a conversation: the message is stored, an answer begins with the history that fits, its text is stored.

It refuses a second message while the first is being answered.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import aclosing, suppress
from functools import partial

import msgspec

from bramble.access.buckets import Buckets
from bramble.chat.answer import Answer, Events, Over
from bramble.chat.answers import Answers
from bramble.chat.devices import Change, Devices
from bramble.chat.history import Exchange, History, exchanges
from bramble.chat.records import Hit, Message, Status, Stored, Summary
from bramble.chat.roles import Manner, Roles, manner
from bramble.chat.shelf import unknown
from bramble.chat.store import DiskFull, Store
from bramble.config import ChatSettings
from bramble.engine.client import Engine
from bramble.engine.wire import Started
from bramble.errors import BrambleError, PromptTooLong, TooMany
from bramble.scheduler import Request, Scheduler

log = logging.getLogger("bramble.chat")

WRITE_SECONDS = 2.0
"""A running answer is written to the store this often: what a power cut can cost."""

STATUS: dict[str, Status] = {
    "stop": "whole",
    "length": "cut",
    "stopped": "stopped",
    "error": "interrupted",
}


class Answering(BrambleError):
    """The conversation is being answered already."""

    code = "answering"


class Said(msgspec.Struct, frozen=True):
    """A stored message and its answer, None where that was over long ago."""

    conversation: str
    message: int
    answer: Answer | None


class Opened(msgspec.Struct, frozen=True):
    """A conversation as far as it got; while `answer` runs, the last message is its and holds nothing."""

    conversation: str
    messages: list[Message]
    answer: Answer | None
    role: str | None


class Chat:
    """The way in for everybody who wants an answer: into a stored conversation (`say`) or without (`complete`).

    `pace` is how often a person may; `settings` may be replaced at any time.
    """

    def __init__(
        self,
        settings: ChatSettings,
        store: Store,
        engine: Engine,
        scheduler: Scheduler,
        pace: Buckets,
    ) -> None:
        self.settings, self._pace = settings, pace
        self._store, self._engine, self._scheduler = store, engine, scheduler
        self._running: dict[str, Answer] = {}
        self._changing = asyncio.Lock()
        self.answers = Answers()
        self.devices = Devices()
        self.roles = Roles(store, self.devices)

    def complete(self, person: str, request: Request) -> Answer:
        """Answer a conversation that somebody else keeps. Raises Stopping, TooMany; the answer tells all else."""
        self._check_pace(person)
        answer = Answer()
        self.answers.begin(answer, self._scheduler.submit(person, request), _forget, keep=False)
        return answer

    async def say(
        self,
        owner: str,
        person: str,
        ref: str,
        conversation: str | None,
        text: str,
        role: str | None = None,
    ) -> Said:
        """Take a person's message; on disk before it returns. A `ref` that was said before is not said again.

        None starts a conversation, in which `role` answers. Raises Answering, NotFound, Stopping, TooMany.
        """
        if role is not None and conversation is None:
            await self.roles.find(owner, role)
        storing = partial(self._store.say, owner, conversation, ref, text, role)
        return await _to_its_end(self._say(owner, person, conversation, ref, storing))

    async def edit(
        self, owner: str, person: str, ref: str, conversation: str, message: int, text: str
    ) -> Said:
        """Put another version beside a person's message and answer that; as `say`. Raises BadRequest, too."""
        storing = partial(self._store.edit, owner, conversation, message, ref, text)
        return await _to_its_end(self._say(owner, person, conversation, ref, storing))

    async def regenerate(self, owner: str, person: str, conversation: str, message: int) -> Said:
        """Answer anew; the answer that was there stays beside it. Raises as `edit`."""
        storing = partial(self._store.regenerate, owner, conversation, message)
        return await _to_its_end(self._say(owner, person, conversation, None, storing))

    async def select(self, owner: str, conversation: str, message: int) -> None:
        """Show the branch that this message is in. Raises Answering, NotFound."""
        async with self._changing:
            self._check_quiet(owner, conversation)
            await self._store.select(owner, conversation, message)
        self.devices.tell(owner, Change(conversation, messages=True))

    async def open(self, owner: str, conversation: str) -> Opened:
        """A conversation and what is being answered in it. Raises NotFound."""
        async with self._changing:
            messages = await self._store.messages(owner, conversation)
            role = (await self._store.summary(owner, conversation)).role
            answer = self._running.get(conversation)
        if answer is not None:
            messages[-1] = msgspec.structs.replace(messages[-1], text="")
        elif messages[-1].status == "writing":  # its last write failed
            messages[-1] = msgspec.structs.replace(messages[-1], status="interrupted")
        return Opened(conversation, messages, answer, role)

    async def whole(self, owner: str, conversation: str) -> tuple[Summary, list[Message]]:
        """A conversation to take away, with as much of a running answer as there is. Raises NotFound."""
        opened = await self.open(owner, conversation)
        if opened.answer is not None:
            last = msgspec.structs.replace(opened.messages[-1], text=opened.answer.text)
            opened.messages[-1] = last
        return await self._store.summary(owner, conversation), opened.messages

    async def page(self, owner: str, after: str | None, limit: int) -> list[Summary]:
        """The owner's conversations, newest first, from behind `after`. Raises NotFound."""
        return await self._store.page(owner, after, limit)

    async def summary(self, owner: str, conversation: str) -> Summary:
        """One line of that list. Raises NotFound."""
        return await self._store.summary(owner, conversation)

    async def search(self, owner: str, query: str) -> list[Hit]:
        """Messages with these characters in them, newest first."""
        return await self._store.search(owner, query)

    async def rename(self, owner: str, conversation: str, title: str) -> None:
        """Give a conversation another title. Raises NotFound, BadRequest."""
        await self._store.rename(owner, conversation, title)
        self.devices.tell(owner, Change(conversation))

    async def delete(self, owner: str, conversation: str) -> None:
        """Stop what is being answered, and delete it all for good. Raises NotFound."""
        await self._store.summary(owner, conversation)
        if answer := self._running.get(conversation):
            answer.stop()
            await answer.end()
        async with self._changing:
            self._check_quiet(owner, conversation)
            await self._store.delete(owner, conversation)
        self.devices.tell(owner, Change(conversation))

    async def typing(
        self, owner: str, person: str, conversation: str | None, text: str, role: str | None = None
    ) -> None:
        """What a person has written so far: its prompt is computed ahead. Nobody is told, nothing is stored.

        Without a conversation `role` is who would answer. Raises NotFound.
        """
        if not self.settings.typing_ahead or conversation in self._running:
            return
        if not text.strip():
            self._engine.typing(person, ())
            return
        past: list[Exchange] = []
        if conversation:
            past = exchanges(await self._store.messages(owner, conversation))
            who = await self.roles.of(owner, conversation)
        else:
            who = await self.roles.find(owner, role) if role else None
        self._engine.typing(person, History(manner(self.settings, who), past, text).turns)

    async def drain(self, seconds: float) -> None:
        """Start nothing new; give what runs at most `seconds`, then end it."""
        self.answers.refuse()
        await self._scheduler.drain(seconds)
        await self.answers.close()

    async def _say(
        self,
        owner: str,
        person: str,
        conversation: str | None,
        ref: str | None,
        storing: Callable[[], Awaitable[Stored]],
    ) -> Said:
        async with self._changing:
            if ref and (known := await self._store.find(owner, ref)):
                return Said(known.conversation, known.message, self.answers.into(known.reply))
            self.answers.check()
            self._engine.typing(person, ())
            self._check_quiet(owner, conversation)
            self._check_pace(person)
            stored = await storing()
            answer = await self._begin(owner, person, stored)
        self.devices.tell(owner, Change(stored.conversation, messages=True, answer=answer.id))
        return Said(stored.conversation, stored.message, answer)

    def _check_quiet(self, owner: str, conversation: str | None) -> None:
        if conversation in self._running:
            if self._running[conversation].owner != owner:
                raise unknown()
            raise Answering("This conversation is being answered.", "Wait, or stop the answer.")

    def _check_pace(self, person: str) -> None:
        if wait := self._pace.take(person):
            raise TooMany("You ask more often than one may.", wait)

    async def _begin(self, owner: str, person: str, stored: Stored) -> Answer:
        *past, question, _ = await self._store.messages(owner, stored.conversation)
        who = manner(self.settings, await self.roles.of(owner, stored.conversation))
        history = History(who, exchanges(past), question.text)
        answer = self._running[stored.conversation] = Answer(stored.reply, owner)
        behind = asyncio.create_task(self._write_behind(answer))
        settle = partial(self._settle, answer, stored.conversation, behind)
        self.answers.begin(answer, self._fitting(answer, person, history, who), settle, keep=True)
        return answer

    async def _fitting(self, answer: Answer, person: str, history: History, who: Manner) -> Events:
        """The answer's events, from as much history as fits. Raises PromptTooLong where the message alone does not."""
        while True:
            request = Request(history.turns, who.max_tokens, sampling=who.sampling)
            try:
                async with aclosing(self._scheduler.submit(person, request)) as events:
                    async for event in events:
                        if isinstance(event, Started):
                            self._check_room(event.prompt_tokens, history)
                        yield event
                return
            except PromptTooLong as error:
                if not history.shrink(error.prompt_tokens, error.context):
                    raise
                answer.trimmed = history.left_out

    def _check_room(self, prompt_tokens: int, history: History) -> None:
        """A prompt that fills the context is too long as well: its answer would break off after a few words."""
        model = self._engine.state.model
        if model is not None and not history.fits(prompt_tokens, model.context):
            raise PromptTooLong(prompt_tokens, model.context)

    async def _write_behind(self, answer: Answer) -> None:
        written = 0
        while True:
            await asyncio.sleep(WRITE_SECONDS)
            if written < len(answer.pieces):
                written = len(answer.pieces)
                with suppress(DiskFull):  # it may have room again in a moment, or at the end
                    await self._store.write(answer.reply, answer.text, "writing")

    async def _settle(
        self, answer: Answer, conversation: str, behind: asyncio.Task[None], over: Over
    ) -> None:
        behind.cancel()
        async with self._changing:
            del self._running[conversation]
            reason = over.error.code if over.error else ""
            await self._store.write(answer.reply, answer.text, STATUS[over.reason], reason)


async def _to_its_end(saying: Coroutine[None, None, Said]) -> Said:
    """Whoever sent it may vanish meanwhile: what is stored gets its answer all the same."""
    task = asyncio.create_task(saying)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.add_done_callback(_tell_nobody)
        raise


def _tell_nobody(task: asyncio.Task[Said]) -> None:
    """How it ended concerns nobody any more; a mistake of ours does."""
    error = None if task.cancelled() else task.exception()
    if error is not None and not isinstance(error, BrambleError):
        log.error("a message could not be taken", exc_info=error)


async def _forget(_: Over) -> None:
    """A conversation that is not stored needs no settling."""
