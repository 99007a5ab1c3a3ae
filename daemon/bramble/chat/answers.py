"""Every answer that runs and, for a while, those that are over: whoever comes back finds the rest of theirs."""

import asyncio

from bramble.chat.answer import Answer, Events, Settle
from bramble.errors import BrambleError

KEEP_SECONDS = 300.0
KEEP_MOST = 64
"""An answer that is over stays this long, and at most so many of them do."""
LAST_WORDS_SECONDS = 2.0
"""How long stored text and last frames may take at a stop."""


class Stopping(BrambleError):
    """The daemon is leaving."""

    code = "stopping"

    def __init__(self) -> None:
        super().__init__("The appliance is shutting down.", "Try again in a minute.")


class Answering(BrambleError):
    """The conversation is being answered already."""

    code = "answering"


class Answers:
    """Holds answers by their number. One that is not kept is gone when it is over."""

    def __init__(self) -> None:
        self._kept: dict[int, Answer] = {}
        self._running: dict[Answer, asyncio.Task[None]] = {}
        self._stopping = False

    def begin(self, answer: Answer, events: Events, settle: Settle, *, keep: bool) -> None:
        """Start an answer. Raises Stopping once the daemon leaves."""
        self.check()
        task = self._running[answer] = answer.begin(events, settle)
        task.add_done_callback(lambda _: self._running.pop(answer))
        if keep:
            self._kept[answer.id] = answer
            task.add_done_callback(lambda _: self._retire(answer))

    def check(self) -> None:
        """Raise Stopping once no answer would be started any more."""
        if self._stopping:
            raise Stopping

    def find(self, id: int) -> Answer | None:
        """The kept answer with this number."""
        return self._kept.get(id)

    def into(self, reply: int) -> Answer | None:
        """The kept answer that is written into this message."""
        return next((each for each in self._kept.values() if each.reply == reply), None)

    def refuse(self) -> None:
        """Start nothing from now on."""
        self._stopping = True

    async def close(self) -> None:
        """End what still runs; its followers are told that the daemon leaves."""
        self.refuse()
        for answer in self._running:
            answer.stop(Stopping())
        if self._running:
            await asyncio.wait(self._running.values(), timeout=LAST_WORDS_SECONDS)

    def _retire(self, answer: Answer) -> None:
        over = [each for each in self._kept.values() if each.over]
        for each in over[:-KEEP_MOST]:
            del self._kept[each.id]
        loop = asyncio.get_running_loop()
        loop.call_later(KEEP_SECONDS, self._kept.pop, answer.id, None)
