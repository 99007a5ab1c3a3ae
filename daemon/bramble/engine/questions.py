"""Answers small questions about the loaded model between two steps of the loop. It computes nothing on the model."""

from bramble.engine.llama import Model
from bramble.engine.prefix import PrefixCache
from bramble.engine.question import (
    Applied,
    Apply,
    Detokenize,
    Detokenized,
    Inspect,
    Inspected,
    Question,
    SlotState,
    Tokenize,
    Tokenized,
    Told,
)
from bramble.engine.slot import Slot
from bramble.engine.template import ChatTemplate, TemplateRefusal
from bramble.engine.wire import Refused


class Questions:
    """Knows one model and its slots."""

    def __init__(self, model: Model, template: ChatTemplate, cache: PrefixCache) -> None:
        self._model, self._template, self._cache = model, template, cache

    def answer(self, question: Question) -> Told | Refused:
        """What is told of it, or why nothing is."""
        match question:
            case Tokenize(id, text, special, parse, wants_pieces):
                tokens = tuple(self._model.tokens_of(text, special=special, parse=parse))
                pieces = map(self._model.piece_in_full, tokens if wants_pieces else ())
                return Tokenized(id, tokens, tuple(pieces))
            case Detokenize(id, tokens):
                size = self._model.vocab_size
                wrong = [token for token in tokens if not 0 <= token < size]
                if wrong:
                    return _no(id, f"There is no token {wrong[0]}; this model has {size}.")
                text = b"".join(map(self._model.piece_in_full, tokens))
                return Detokenized(id, text.decode("utf-8", "replace"))
            case Apply(id, turns, tools):
                try:
                    return Applied(id, self._template.render(turns, tools))
                except TemplateRefusal as error:
                    return _no(id, f"The model's chat template says: {error}")
            case Inspect(id):
                return Inspected(id, tuple(map(_state, self._cache.slots)))


def _no(id: int, message: str) -> Refused:
    return Refused(id, "bad_request", message)


def _state(slot: Slot) -> SlotState:
    job = slot.job
    if job is None:
        return SlotState(len(slot.held))
    size = job.prompt_size
    return SlotState(len(slot.held), job.id, size, job.cached, job.drawn, job.limit)
