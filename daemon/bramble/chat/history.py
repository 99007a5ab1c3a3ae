"""What of a conversation goes to the model: the system prompt, as much of the past as leaves room, the question."""

from collections.abc import Iterable
from itertools import chain, pairwise

from bramble.chat.records import Message
from bramble.chat.roles import Manner
from bramble.engine.wire import Turn

ROOM = 4
"""The past is shortened until this part of the context (1/4) is free for the answer."""

Exchange = tuple[Turn, Turn]


class History:
    """Shrinks until it fits. `left_out` counts the messages that did not; `max_tokens` is the longest answer."""

    def __init__(self, who: Manner, past: list[Exchange], question: str) -> None:
        self._system = (Turn("system", who.prompt),) if who.prompt else ()
        self._past = past
        self._question = Turn("user", question)
        self._max_tokens = who.max_tokens
        self.left_out = 0

    @property
    def turns(self) -> tuple[Turn, ...]:
        """What is asked of the engine now."""
        return (*self._system, *chain.from_iterable(self._past), self._question)

    def fits(self, prompt_tokens: int, context: int) -> bool:
        """Whether it leaves room for an answer, or has nothing more to leave out."""
        return not self._past or self._surplus(prompt_tokens, context) <= 0

    def shrink(self, prompt_tokens: int, context: int) -> bool:
        """Leave out the oldest exchanges: as much text as there are tokens too many. False where none is left."""
        if not self._past:
            return False
        goal = self._surplus(prompt_tokens, context) / prompt_tokens * _size(self.turns)
        while self._past and goal > 0:
            goal -= _size(self._past.pop(0))
            self.left_out += 2
        return True

    def _surplus(self, prompt_tokens: int, context: int) -> int:
        return prompt_tokens + min(self._max_tokens, context // ROOM) - context


def exchanges(messages: list[Message]) -> list[Exchange]:
    """Questions with their answers. One that got none is left out: templates want the roles to alternate."""
    return [
        (Turn("user", said.text), Turn("assistant", reply.text))
        for said, reply in pairwise(messages)
        if said.role == "user" and reply.role == "assistant" and reply.text
    ]


def _size(turns: Iterable[Turn]) -> int:
    return sum(len(turn.content) for turn in turns)
