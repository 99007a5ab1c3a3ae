"""What of a conversation goes to the model: the system prompt, as much of the past as leaves room, the question.

What was left out once stays out: a prompt that begins as the last one did is one that needs little computing.
"""

from collections.abc import Iterable, Sequence
from itertools import chain, pairwise
from typing import NamedTuple

from bramble.chat.records import Message
from bramble.chat.roles import Manner
from bramble.engine.wire import Turn

ROOM = 4
"""The past is shortened until this part of the context (1/4) is free for the answer."""
KEPT = 0.75
"""Where something has to go, so much goes that the rest fills only this part: the next turns need not shorten again."""
TAKEN_BACK = 0.4
"""What was left out comes back where all of it fills less than this part: a character of one text takes several times
the tokens of another's."""


class Exchange(NamedTuple):
    """A question with its answer, and the number of the message that asked."""

    question: Turn
    answer: Turn
    message: int = 0


class History:
    """Shrinks until it fits.

    The question is message `asked`. The last answer was given from what was said `since` a message (0: from all of it),
    which was `tokens` then.
    """

    def __init__(
        self,
        who: Manner,
        past: Sequence[Exchange],
        question: str,
        *,
        asked: int = 0,
        since: int = 0,
        tokens: int = 0,
    ) -> None:
        self._system = (Turn("system", who.prompt),) if who.prompt else ()
        self._whole = list(past)
        self._past = [exchange for exchange in past if exchange.message >= since]
        self._question, self._asked = Turn("user", question), asked
        self._max_tokens = who.max_tokens
        before = _size(self._before)
        self._tokens_a_character = tokens / before if before else 0.0

    @property
    def turns(self) -> tuple[Turn, ...]:
        """What is asked of the engine now."""
        return (*self._before, self._question)

    @property
    def left_out(self) -> int:
        """How many messages are."""
        return 2 * (len(self._whole) - len(self._past))

    @property
    def since(self) -> int:
        """The oldest message that is not left out; 0 where none is."""
        if not self.left_out:
            return 0
        return self._past[0].message if self._past else self._asked

    def fits(self, prompt_tokens: float, context: int) -> bool:
        """Whether it leaves room for an answer, or has nothing more to leave out."""
        return not self._past or prompt_tokens <= self._most(context)

    def foresee(self, context: int) -> None:
        """Leave out what will not fit, going by what the last turn took: before the engine begins with it in vain."""
        if self.left_out and self._tokens_a_character:
            self._take_back(context)
        if not self.fits(self._tokens(self.turns), context):
            self._leave_out(context)

    def shrink(self, prompt_tokens: int, context: int) -> bool:
        """Leave out the oldest exchanges, as the prompt took so many tokens. False where none is left."""
        if not self._past:
            return False
        self._tokens_a_character = prompt_tokens / max(_size(self.turns), 1)
        self._leave_out(context)
        return True

    @property
    def _before(self) -> tuple[Turn, ...]:
        past = ((exchange.question, exchange.answer) for exchange in self._past)
        return (*self._system, *chain.from_iterable(past))

    def _leave_out(self, context: int) -> None:
        """How much goes depends on what was said before, not on the question: while it is typed nothing changes."""
        most = self._most(context)
        del self._past[0]
        while self._past and (
            self._tokens(self._before) > KEPT * most or self._tokens(self.turns) > most
        ):
            del self._past[0]

    def _take_back(self, context: int) -> None:
        """All of it fits easily: the context has become larger since."""
        kept, self._past = self._past, self._whole[:]
        if self._tokens(self.turns) > TAKEN_BACK * self._most(context):
            self._past = kept

    def _tokens(self, turns: Iterable[Turn]) -> float:
        return self._tokens_a_character * _size(turns)

    def _most(self, context: int) -> int:
        return context - min(self._max_tokens, context // ROOM)


def exchanges(messages: list[Message]) -> list[Exchange]:
    """Questions with their answers. One that got none is left out: templates want the roles to alternate."""
    return [
        Exchange(Turn("user", said.text), Turn("assistant", reply.text), said.id)
        for said, reply in pairwise(messages)
        if said.role == "user" and reply.role == "assistant" and reply.text
    ]


def recalled(
    who: Manner, past: list[Message], question: str, *, asked: int = 0, reply: Message | None = None
) -> History:
    """The history as it was for the last answer; where `reply` takes another one's place, as for that."""
    before = exchanges(past)
    if reply is not None and reply.since:
        return History(who, before, question, asked=asked, since=reply.since)
    last = next((each for each in reversed(past) if each.tokens), None)
    since, tokens = (last.since, last.tokens) if last else (0, 0)
    return History(who, before, question, asked=asked, since=since, tokens=tokens)


def _size(turns: Iterable[Turn]) -> int:
    return sum(len(turn.content) for turn in turns)
