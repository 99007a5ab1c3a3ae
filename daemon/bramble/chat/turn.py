"""One turn of a conversation: the message is stored, an answer begins with the history that fits, its text is stored.

It refuses a second message while the first is being answered.
"""

import asyncio
from contextlib import aclosing
from functools import partial

import msgspec

from bramble.chat.answer import Answer, Events, Over
from bramble.chat.answers import Answers
from bramble.chat.history import History, exchanges
from bramble.chat.store import Message, Status, Store, Stored
from bramble.config import ChatSettings
from bramble.engine.client import Engine
from bramble.engine.wire import Sampling, Started
from bramble.errors import BrambleError, PromptTooLong
from bramble.scheduler import Request, Scheduler

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


class Chat:
    """The way in for everybody who wants an answer: into a stored conversation (`say`) or without (`complete`)."""

    def __init__(
        self, settings: ChatSettings, store: Store, engine: Engine, scheduler: Scheduler
    ) -> None:
        self._settings = settings
        self._store, self._engine, self._scheduler = store, engine, scheduler
        self._running: dict[str, Answer] = {}
        self._changing = asyncio.Lock()
        self.answers = Answers()

    def complete(self, person: str, request: Request) -> Answer:
        """Answer a conversation that somebody else keeps. Raises Stopping; the answer tells everything else."""
        answer = Answer()
        self.answers.begin(answer, self._scheduler.submit(person, request), _forget, keep=False)
        return answer

    async def say(self, person: str, ref: str, conversation: str | None, text: str) -> Said:
        """Take a person's message; on disk before it returns. A `ref` that was said before is not said again.

        None starts a conversation. Raises Answering, NotFound, Stopping.
        """
        # Whoever sent it may vanish meanwhile: what is stored gets its answer all the same.
        return await asyncio.shield(self._say(person, ref, conversation, text))

    async def open(self, conversation: str) -> Opened:
        """A conversation and what is being answered in it. Raises NotFound."""
        async with self._changing:
            messages = await self._store.messages(conversation)
            answer = self._running.get(conversation)
        if answer is not None:
            messages[-1] = msgspec.structs.replace(messages[-1], text="")
        elif messages[-1].status == "writing":  # its last write failed
            messages[-1] = msgspec.structs.replace(messages[-1], status="interrupted")
        return Opened(conversation, messages, answer)

    async def typing(self, person: str, conversation: str | None, text: str) -> None:
        """What a person has written so far: its prompt is computed ahead. Nobody is told, nothing is stored.

        Raises NotFound.
        """
        if not self._settings.typing_ahead or conversation in self._running:
            return
        past = exchanges(await self._store.messages(conversation)) if conversation else []
        prompt, limit = self._settings.system_prompt, self._settings.max_tokens
        turns = History(prompt, past, text, limit).turns if text.strip() else ()
        self._engine.typing(person, turns)

    async def drain(self, seconds: float) -> None:
        """Start nothing new; give what runs at most `seconds`, then end it."""
        self.answers.refuse()
        await self._scheduler.drain(seconds)
        await self.answers.close()

    async def _say(self, person: str, ref: str, conversation: str | None, text: str) -> Said:
        async with self._changing:
            if known := await self._store.find(ref):
                return Said(known.conversation, known.message, self.answers.into(known.reply))
            self.answers.check()
            self._engine.typing(person, ())
            if conversation in self._running:
                raise Answering("This conversation is being answered.", "Wait, or stop the answer.")
            stored = await self._store.say(conversation, ref, text)
            past = exchanges(await self._store.messages(stored.conversation))
            prompt, limit = self._settings.system_prompt, self._settings.max_tokens
            answer = self._begin(stored, person, History(prompt, past, text, limit))
            return Said(stored.conversation, stored.message, answer)

    def _begin(self, stored: Stored, person: str, history: History) -> Answer:
        answer = self._running[stored.conversation] = Answer(stored.reply)
        behind = asyncio.create_task(self._write_behind(answer))
        settle = partial(self._settle, answer, stored.conversation, behind)
        self.answers.begin(answer, self._fitting(answer, person, history), settle, keep=True)
        return answer

    async def _fitting(self, answer: Answer, person: str, history: History) -> Events:
        """The answer's events, from as much history as fits. Raises PromptTooLong where the message alone does not."""
        sampling = Sampling(temperature=self._settings.temperature)
        while True:
            request = Request(history.turns, self._settings.max_tokens, sampling=sampling)
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
                await self._store.write(answer.reply, answer.text, "writing")

    async def _settle(
        self, answer: Answer, conversation: str, behind: asyncio.Task[None], over: Over
    ) -> None:
        behind.cancel()
        async with self._changing:
            del self._running[conversation]
            reason = over.error.code if over.error else ""
            await self._store.write(answer.reply, answer.text, STATUS[over.reason], reason)


async def _forget(_: Over) -> None:
    """A conversation that is not stored needs no settling."""
