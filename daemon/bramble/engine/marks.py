"""Where in a prompt the next one may part from it: there a model that cannot drop tokens is to keep its state."""

import msgspec

from bramble.engine.checkpoints import spread
from bramble.engine.extras import Tool
from bramble.engine.llama import Model
from bramble.engine.overlap import common_prefix
from bramble.engine.template import ChatTemplate, TemplateRefusal
from bramble.engine.wire import Turn

OTHER = "…"
"""What somebody else might have written; whoever began with it shares a token more, which does no harm."""


class Marks:
    """Finds such places by rendering what may come instead; templates differ too much for anything cleverer."""

    def __init__(self, model: Model, template: ChatTemplate) -> None:
        self._model, self._template = model, template

    def of_prompt(
        self, turns: tuple[Turn, ...], tools: tuple[Tool, ...], tokens: list[int]
    ) -> list[int]:
        """Behind the system prompt, before the last message, and where the next turn begins to differ."""
        others = [_edited(turns), _another(turns), _gone_on(turns)] if turns else []
        places = [self._shared(other, tools, tokens) for other in others if other]
        # The same prompt again (another answer to it) needs its last token computed.
        return spread([*places, len(tokens) - 1], len(tokens))

    def of_draft(self, turns: tuple[Turn, ...], tokens: list[int]) -> list[int]:
        """Before the message that is being written: all of it may change."""
        return spread([self._shared(_edited(turns), (), tokens)], len(tokens))

    def _shared(self, turns: tuple[Turn, ...], tools: tuple[Tool, ...], tokens: list[int]) -> int:
        try:
            other = self._model.tokenize(self._template.render(turns, tools))
        except TemplateRefusal:
            return 0
        return common_prefix(tokens, other)


def _edited(turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    return (*turns[:-1], msgspec.structs.replace(turns[-1], content=OTHER))


def _another(turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    """Another conversation with the same system prompt, where this one is not its first question."""
    return (turns[0], Turn("user", OTHER)) if turns[0].role == "system" and len(turns) > 2 else ()


def _gone_on(turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    """The next turn: some templates then leave out what they put before an answer."""
    return (*turns, Turn("assistant", OTHER), Turn("user", OTHER))
