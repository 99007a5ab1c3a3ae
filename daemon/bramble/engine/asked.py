"""From a request to what the loop works with: the prompt's tokens and a sampler. Says no in words."""

import os

from bramble.engine.calls import for_calls
from bramble.engine.constraint import Constraint
from bramble.engine.extras import Extras, Schema, Tool
from bramble.engine.grammar import from_schema
from bramble.engine.llama import Model
from bramble.engine.marks import Marks
from bramble.engine.sample import Sampler
from bramble.engine.schema import GrammarError
from bramble.engine.template import ChatTemplate, TemplateRefusal
from bramble.engine.wire import Generate


class CannotAnswer(Exception):
    """Why this one request cannot be answered: a sentence."""


class Asked:
    """Reads requests for one model."""

    def __init__(self, model: Model, template: ChatTemplate, context: int) -> None:
        self._model, self._template, self._context = model, template, context
        self._marks = Marks(model, template)

    def marks(self, request: Generate, tokens: list[int]) -> list[int]:
        """Where in its prompt other requests may part from it."""
        raw = request.extras.tokens or request.extras.prompt
        return self._marks.of_prompt(() if raw else request.turns, request.extras.tools, tokens)

    def tokens(self, request: Generate) -> list[int]:
        """The prompt. Raises CannotAnswer."""
        if request.extras.tokens:
            return self._known(list(request.extras.tokens))
        if request.extras.prompt:
            return self._model.tokenize(request.extras.prompt)
        try:
            tokens = self._rendered(request, request.extras.tools)
            if request.extras.tools and len(tokens) >= self._context:
                return self._rendered(request, ())  # a small context holds no long list of tools
        except TemplateRefusal as error:
            raise CannotAnswer(f"The model's chat template says: {error}") from error
        return tokens

    def said(self, request: Generate) -> list[int]:
        """What there is of the answer already. Raises CannotAnswer."""
        text = self._going_on(request.said.text) if request.said.text else []
        return text + self._known(list(request.said.tokens))

    def sampler(self, request: Generate, tokens: list[int], said: list[int]) -> Sampler:
        """How the answer to this prompt is drawn after what was said. Raises CannotAnswer."""
        seed = request.sampling.seed
        if seed is None:
            seed = int.from_bytes(os.urandom(4))
        # 0xFFFFFFFF means "random" to llama.cpp; a seed somebody asked for must not.
        return Sampler(
            self._model,
            request.sampling,
            seed % 0xFFFFFFFF,
            [*tokens, *said],
            position=len(said),
            speaks=bool(request.turns),
            logprobs=request.extras.logprobs,
            constraint=self._constraint(request, said),
        )

    def _rendered(self, request: Generate, tools: tuple[Tool, ...]) -> list[int]:
        return self._model.tokenize(
            self._template.render(request.turns, tools, request.extras.think)
        )

    def _going_on(self, text: str) -> list[int]:
        """Tokens of a text in the middle of an answer. Some vocabularies put a blank before whatever comes first."""
        tokens = self._model.tokenize(text, goes_on=True)
        data = text.encode("utf-8", "replace")
        if self._bytes(tokens) == data:
            return tokens
        before = self._model.tokenize("\n", goes_on=True)
        behind = self._model.tokenize(f"\n{text}", goes_on=True)
        rest = behind[len(before) :]
        return rest if behind[: len(before)] == before and self._bytes(rest) == data else tokens

    def _bytes(self, tokens: list[int]) -> bytes:
        return b"".join(map(self._model.piece, tokens))

    def _constraint(self, request: Generate, said: list[int]) -> Constraint | None:
        """The grammar's state behind what was said. Raises CannotAnswer where that is not of its language."""
        constraint = self._grammar(request)
        if constraint is None:
            return None
        for token in said:
            if self._model.ends(token):
                break
            if not constraint.allows(token):
                constraint.close()
                raise CannotAnswer("The answer so far is not of the schema.")
            constraint.accept(token)
        return constraint

    def _grammar(self, request: Generate) -> Constraint | None:
        extras = request.extras
        try:
            if extras.forced:
                return self._calls(extras, extras.forced, None)
            if extras.schema is None:
                return None
            if extras.tools:
                return self._calls(extras, tuple(t.name for t in extras.tools), extras.schema)
            return Constraint(self._model, from_schema(extras.schema))
        except GrammarError as error:
            raise CannotAnswer(f"The schema {error}.") from error

    def _calls(self, extras: Extras, names: tuple[str, ...], answer: Schema | None) -> Constraint:
        tools = [tool for tool in extras.tools if tool.name in names]
        form = self._template.call_form
        grammar = for_calls(tools, form, several=extras.several, answer=answer)
        return Constraint(self._model, grammar)

    def _known(self, tokens: list[int]) -> list[int]:
        """Raise CannotAnswer for a token that this model has not: llama.cpp would read past its table."""
        size = self._model.vocab_size
        for token in tokens:
            if not 0 <= token < size:
                raise CannotAnswer(f"There is no token {token}; this model has {size}.")
        return tokens
