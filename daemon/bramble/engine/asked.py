"""From a request to what the loop works with: the prompt's tokens and a sampler. Says no in words."""

import os

from bramble.engine.constraint import Constraint
from bramble.engine.grammar import from_schema
from bramble.engine.llama import Model
from bramble.engine.sample import Sampler
from bramble.engine.schema import GrammarError
from bramble.engine.template import ChatTemplate, TemplateRefusal
from bramble.engine.wire import Generate


class CannotAnswer(Exception):
    """Why this one request cannot be answered: a sentence."""


class Asked:
    """Reads requests for one model."""

    def __init__(self, model: Model, template: ChatTemplate) -> None:
        self._model, self._template = model, template

    def tokens(self, request: Generate) -> list[int]:
        """The prompt. Raises CannotAnswer."""
        if request.extras.tokens:
            return self._known(list(request.extras.tokens))
        if request.extras.prompt:
            return self._model.tokenize(request.extras.prompt)
        try:
            return self._model.tokenize(self._template.render(request.turns))
        except TemplateRefusal as error:
            raise CannotAnswer(f"The model's chat template says: {error}") from error

    def sampler(self, request: Generate, tokens: list[int]) -> Sampler:
        """How the answer to this prompt is drawn. Raises CannotAnswer."""
        seed = request.sampling.seed
        if seed is None:
            seed = int.from_bytes(os.urandom(4))
        # 0xFFFFFFFF means "random" to llama.cpp; a seed somebody asked for must not.
        return Sampler(
            self._model,
            request.sampling,
            seed % 0xFFFFFFFF,
            tokens,
            logprobs=request.extras.logprobs,
            constraint=self._constraint(request),
        )

    def _constraint(self, request: Generate) -> Constraint | None:
        if request.extras.schema is None:
            return None
        try:
            return Constraint(self._model, from_schema(request.extras.schema))
        except GrammarError as error:
            raise CannotAnswer(f"The schema {error}.") from error

    def _known(self, tokens: list[int]) -> list[int]:
        """Raise CannotAnswer for a token that this model has not: llama.cpp would read past its table."""
        size = self._model.vocab_size
        for token in tokens:
            if not 0 <= token < size:
                raise CannotAnswer(f"There is no token {token}; this model has {size}.")
        return tokens
