"""One turn of a conversation: the message is stored, an answer begins with the history that fits, its text is stored.

It refuses a second message while the first is being answered.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial

import msgspec

from bramble.access.buckets import Buckets
from bramble.chat import again
from bramble.chat.answer import Answer, Over
from bramble.chat.answers import Answering
from bramble.chat.devices import Change, Devices, Renewal
from bramble.chat.history import recalled
from bramble.chat.recall import Recall
from bramble.chat.records import Hit, Message, Stored, Summary
from bramble.chat.roles import Roles, manner
from bramble.chat.shelf import unknown
from bramble.chat.store import Store
from bramble.chat.upkeep import Upkeep
from bramble.chat.writer import Writer
from bramble.config import CacheSettings, ChatSettings, StoreSettings
from bramble.engine.client import Engine
from bramble.errors import BrambleError, ModelUnavailable, TooMany
from bramble.scheduler import Request, Scheduler

log = logging.getLogger("bramble.chat")


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
        cache: CacheSettings,
        bounds: StoreSettings,
        store: Store,
        engine: Engine,
        scheduler: Scheduler,
        pace: Buckets,
    ) -> None:
        self._pace = pace
        self._store, self._engine, self._scheduler = store, engine, scheduler
        self._recall = Recall(cache, store, engine, scheduler)
        self.devices = Devices()
        self.roles = Roles(store, self.devices, engine)
        self._writer = Writer(settings, store, engine, self._recall, self.roles)
        self.answers = self._writer.answers
        self.upkeep = Upkeep(bounds, store, self._writer.running, self._forget)
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def settings(self) -> ChatSettings:
        """How conversations go, from the next message on."""
        return self._writer.settings

    @settings.setter
    def settings(self, settings: ChatSettings) -> None:
        self._writer.settings = settings

    def start(self) -> None:
        """Keep the store within its bounds; go on, once there is a model, with what the daemon's end broke off."""
        if self.settings.continue_after_restart:
            going = again.go_on(self._store, self._engine, self._recall, self.go_on)
            self._tasks.append(asyncio.create_task(going))
        self._tasks.append(asyncio.create_task(self.upkeep.run()))

    def complete(self, person: str, request: Request, *, fresh: bool = False) -> Answer:
        """Answer a conversation that somebody else keeps; `fresh` computes it in any case.

        Raises Stopping, TooMany; the answer tells everything else.
        """
        self._check_pace(person)
        answer = Answer()
        own = any(turn.role == "system" for turn in request.turns)
        events = self._recall.submit(answer, person, request, pinned=not own, fresh=fresh)
        self.answers.begin(answer, events, _forget, keep=False)
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
        saying = self._say(owner, person, conversation, None, storing, fresh=True)
        return await _to_its_end(saying)

    async def go_on(self, owner: str, person: str, conversation: str, message: int) -> Said:
        """Write on at an answer that was stopped or cut, exactly after what there is of it. Raises as `edit`."""
        if not self._recall.model:
            raise ModelUnavailable("The model is not loaded yet.", "Try again when it is.")
        storing = partial(self._store.go_on, owner, conversation, message, self._recall.model)
        return await _to_its_end(self._say(owner, person, conversation, None, storing))

    async def select(self, owner: str, conversation: str, message: int) -> None:
        """Show the branch that this message is in. Raises Answering, NotFound."""
        async with self._writer.changing:
            self._check_quiet(owner, conversation)
            await self._store.select(owner, conversation, message)
        self.devices.tell(owner, Change(conversation, messages=True))

    async def open(self, owner: str, conversation: str) -> Opened:
        """A conversation and what is being answered in it. Raises NotFound."""
        async with self._writer.changing:
            messages = await self._store.messages(owner, conversation)
            role = (await self._store.summary(owner, conversation)).role
            answer = self._writer.running.get(conversation)
        if answer is not None:
            messages[-1] = msgspec.structs.replace(messages[-1], text="", since=0, tokens=0)
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
        if answer := self._writer.running.get(conversation):
            answer.stop()
            await answer.end()
        async with self._writer.changing:
            self._check_quiet(owner, conversation)
            await self._store.delete(owner, conversation)
        await self._forget(conversation)
        self.devices.tell(owner, Change(conversation))

    async def typing(
        self, owner: str, person: str, conversation: str | None, text: str, role: str | None = None
    ) -> None:
        """What a person has written so far: its prompt is computed ahead. Nobody is told, nothing is stored.

        Without a conversation `role` is who would answer. Raises NotFound.
        """
        if not self.settings.typing_ahead or conversation in self._writer.running:
            return
        if not text.strip():
            self._engine.typing(person, ())
            return
        past: list[Message] = []
        if conversation:
            past = await self._store.messages(owner, conversation)
            who = await self.roles.of(owner, conversation)
        else:
            who = await self.roles.find(owner, role) if role else None
        history = recalled(manner(self.settings, who), past, text)
        self._writer.foresee(history)
        self._engine.typing(person, history.turns, conversation or "")

    async def restore(self) -> None:
        """Take the copy that lies beside the store's file; what is being answered ends. Raises NoCopy."""
        for answer in list(self._writer.running.values()):
            answer.stop()
            await answer.end()
        async with self._writer.changing:
            if self._writer.running:
                raise Answering("Somebody asked something just now.", "Try again.")
            before = set(await self._store.conversations())
            await self._store.restore()
            for gone in before.difference(await self._store.conversations()):
                await self._forget(gone)
        self.devices.tell_all(Renewal())

    async def drain(self, seconds: float) -> None:
        """Start nothing new; give what runs at most `seconds`, then end it."""
        for task in self._tasks:
            task.cancel()
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
        *,
        fresh: bool = False,
    ) -> Said:
        async with self._writer.changing:
            if ref and (known := await self._store.find(owner, ref)):
                return Said(known.conversation, known.message, self.answers.into(known.reply))
            self.answers.check()
            self._engine.typing(person, ())
            self._check_quiet(owner, conversation)
            self._check_pace(person)
            stored = await storing()
            answer = await self._writer.begin(owner, person, stored, fresh=fresh)
        self.devices.tell(owner, Change(stored.conversation, messages=True, answer=answer.id))
        return Said(stored.conversation, stored.message, answer)

    async def _forget(self, conversation: str) -> None:
        """It is deleted: the engine keeps nothing of it either."""
        await self._engine.forget(conversation=conversation)

    def _check_quiet(self, owner: str, conversation: str | None) -> None:
        if conversation in self._writer.running:
            if self._writer.running[conversation].owner != owner:
                raise unknown()
            raise Answering("This conversation is being answered.", "Wait, or stop the answer.")

    def _check_pace(self, person: str) -> None:
        if wait := self._pace.take(person):
            raise TooMany("You ask more often than one may.", wait)


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
