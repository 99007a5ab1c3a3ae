"""What people are typing: prompts that may come soon, computed only while nobody is being answered."""

from dataclasses import dataclass, field

from bramble.engine.llama import Model
from bramble.engine.marks import Marks
from bramble.engine.overlap import common_prefix
from bramble.engine.template import ChatTemplate, TemplateRefusal
from bramble.engine.wire import Turn, Typing

MOST = 8
"""Unsent messages kept; a new one pushes out the oldest."""
UNSURE = 4
"""Tokens at the end of a draft that a model which cannot drop them waits with: the last word may go on."""
CHUNK_MS = 200.0
"""Longest step for one: a question that comes meanwhile waits at most about this long."""


@dataclass
class Unsent:
    """One unfinished message after its conversation; `tokens` is None until there was time to render it.

    `marks` are places in them where the model's state is to be kept.
    """

    turns: tuple[Turn, ...]
    conversation: str
    tokens: list[int] | None = None
    marks: list[int] = field(default_factory=list[int])


class Ahead:
    """What everyone who types has written so far; `marked` where the model needs checkpoints."""

    def __init__(
        self, model: Model, template: ChatTemplate, context: int, *, marked: bool = False
    ) -> None:
        self._model, self._template, self._context = model, template, context
        self._marks = Marks(model, template) if marked else None
        self._unsent: dict[str, Unsent] = {}
        self._allowed = True

    def __bool__(self) -> bool:
        return bool(self._unsent)

    def put(self, message: Typing) -> None:
        """Take a person's words so far in place of their last; a message without turns only ends that."""
        self._unsent.pop(message.key, None)
        if message.turns and self._allowed:
            self._unsent[message.key] = Unsent(message.turns, message.conversation)
            if len(self._unsent) > MOST:
                del self._unsent[next(iter(self._unsent))]

    def allow(self, allowed: bool) -> None:
        """Whether anything is computed ahead from now on; what there is goes else."""
        self._allowed = allowed
        if not allowed:
            self._unsent.clear()

    def newest(self) -> tuple[list[int], list[int], str]:
        """Of the newest the tokens that will stay whatever is typed next (maybe none), marks, and its conversation."""
        newest = next(reversed(self._unsent.values()))
        if newest.tokens is None:
            newest.tokens = self._stable(newest.turns)
            if self._marks is not None:
                newest.marks = self._marks.of_draft(newest.turns, newest.tokens)
                sure = max(len(newest.tokens) - UNSURE, *newest.marks, 0)
                del newest.tokens[sure:]
        return newest.tokens, newest.marks, newest.conversation

    def drop_newest(self) -> None:
        """It is computed, or cannot be."""
        self._unsent.popitem()

    def _stable(self, turns: tuple[Turn, ...]) -> list[int]:
        """The common beginning of the prompt as it is and of one where the message goes on."""
        *before, last = turns
        longer = (*before, Turn(last.role, last.content + " …"))
        try:
            now, later = (self._model.tokenize(self._template.render(t)) for t in (turns, longer))
        except TemplateRefusal:
            return []
        stable = now[: common_prefix(now, later)]
        return stable if len(stable) < self._context else []
