"""POST /v1/completions: raw prompts, as older clients and editors send them, and the answer in their shape."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any

from msgspec import Meta

from bramble.chat.answer import Over, Text
from bramble.engine.extras import Drawn, Extras
from bramble.errors import BadRequest
from bramble.scheduler import Request
from bramble.server.parameters import Parameters
from bramble.server.replies import END, Events, Said, encode, event, head

MOST = 8
"""Answers that one request may ask for."""
DEFAULT_LENGTH = 16
"""Tokens where a client names no length; OpenAI's default for this route."""


class Completion(Parameters, kw_only=True):
    """The body of POST /v1/completions. A prompt is text or token ids; several may come in a list."""

    prompt: str | list[str | int | list[int]]
    logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    echo: bool | None = None
    suffix: str | None = None
    best_of: int | None = None

    def prompts(self, _: int) -> list[list[Request]]:
        """The choices for each prompt. Raises BadRequest."""
        self._refuse()
        several = [self._extras(prompt) for prompt in self._several()]
        if len(several) * self.choices > MOST:
            raise BadRequest(f"More than {MOST} answers a request are not given.", field="prompt")
        return [[self._request(extras, s) for s in self.samplings()] for extras in several]

    def reply(self, model: str) -> "TextReply":
        """The answer's shape."""
        return TextReply(model, include_usage=self.include_usage)

    def _request(self, extras: Extras, sampling: Any) -> Request:
        return Request((), self.max_tokens or DEFAULT_LENGTH, self.stops(), sampling, extras)

    def _several(self) -> Sequence[str | int | list[int]] | list[list[int]]:
        if isinstance(self.prompt, str):
            return [self.prompt]
        if tokens := [part for part in self.prompt if isinstance(part, int)]:
            if len(tokens) < len(self.prompt):
                raise BadRequest("A list is of texts or of tokens, not of both.", field="prompt")
            return [tokens]
        return self.prompt

    def _extras(self, prompt: str | int | list[int]) -> Extras:
        if not prompt:
            raise BadRequest("There is no prompt.", field="prompt")
        if isinstance(prompt, list):
            return Extras(tokens=tuple(prompt), logprobs=self.logprobs)
        return Extras(prompt=str(prompt), logprobs=self.logprobs)

    def _refuse(self) -> None:
        if self.echo:
            raise BadRequest("The prompt is not repeated here.", "Leave echo out.", field="echo")
        if self.suffix:
            hint = "Leave suffix out; a model's own infill tokens may stand in the prompt."
            raise BadRequest("Text is not filled in between here.", hint, field="suffix")
        if (self.best_of or 1) > self.choices:
            hint = "Leave best_of out and use n."
            raise BadRequest("Answers are not ranked here.", hint, field="best_of")
        if not self.prompt:
            raise BadRequest("There is no prompt.", field="prompt")


class TextReply(Events):
    """A text completion."""

    def __init__(self, model: str, *, include_usage: bool) -> None:
        self._head = head("text_completion", "cmpl", model)
        self._include_usage = include_usage
        self._said: dict[int, int] = {}

    def open(self, index: int) -> bytes:
        self._said[index] = 0
        return b""

    def text(self, index: int, update: Text) -> bytes:
        start = self._said[index]
        self._said[index] += len(update.text)
        return self._chunk(index, update.text, legacy_logprobs(update.drawn, start), None)

    def end(self, index: int, over: Over) -> bytes:
        return self._chunk(index, "", None, over.reason)

    def close(self, usage: dict[str, Any]) -> bytes:
        last = event({**self._head, "choices": [], "usage": usage})
        return (last if self._include_usage else b"") + END

    def whole(self, said: Sequence[Said], usage: dict[str, Any]) -> dict[str, Any]:
        choices = [
            _choice(
                index,
                each.text,
                legacy_logprobs(each.drawn, 0),
                each.over.reason if each.over else None,
            )
            for index, each in enumerate(said)
        ]
        return {**self._head, "choices": choices, "usage": usage}

    def _chunk(self, index: int, text: str, told: dict[str, Any] | None, why: str | None) -> bytes:
        body = {**self._head, "choices": [_choice(index, text, told, why)]}
        if self._include_usage:
            body["usage"] = None
        return b"data: " + encode(body) + b"\n\n"


def _choice(
    index: int, text: str, told: dict[str, Any] | None, reason: str | None
) -> dict[str, Any]:
    return {"text": text, "index": index, "logprobs": told, "finish_reason": reason}


def legacy_logprobs(drawn: Iterable[Drawn], start: int) -> dict[str, Any] | None:
    """The probabilities as this route tells them; offsets count characters from the answer's beginning."""
    told = list(drawn)
    if not told:
        return None
    texts = [each.token.decode("utf-8", "replace") for each in told]
    offsets = [start]
    for text in texts[:-1]:
        offsets.append(offsets[-1] + len(text))
    return {
        "tokens": texts,
        "token_logprobs": [each.logprob for each in told],
        "top_logprobs": [
            {one.token.decode("utf-8", "replace"): one.logprob for one in each.top} for each in told
        ],
        "text_offset": offsets,
    }
