"""Answers as Ollama's clients read them: a JSON object a line, the last one with counts and times; or all in one."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from bramble.chat.answer import Over, Text
from bramble.engine.extras import Drawn
from bramble.engine.wire import Done
from bramble.errors import BrambleError
from bramble.server.calls import Call, CallReader
from bramble.server.families import ollama_error
from bramble.server.ollama.thoughts import Thoughts
from bramble.server.replies import Said, encode, logprobs

Json = dict[str, Any]
NANO = 1_000_000


def now() -> str:
    """The time as Ollama writes it."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


class GenerateLines:
    """An answer of /api/generate, under the name that the client gave the model."""

    content_type = "application/x-ndjson"

    def __init__(self, model: str, thinks: bool) -> None:
        self._model = model
        self._thoughts = Thoughts() if thinks else None
        self._began = time.monotonic_ns()
        self._over: Over | None = None

    def open(self, index: int) -> bytes:
        return b""

    def text(self, index: int, update: Text) -> bytes:
        if self._thoughts is None:
            return self._words(update.text, update.drawn)
        return self._split(*self._thoughts.feed(update.text), update.drawn)

    def end(self, index: int, over: Over) -> bytes:
        self._over = over
        return self._split(*self._thoughts.finish()) if self._thoughts else b""

    def pause(self, message: str) -> bytes:
        return b""  # there is no line that says nothing

    def close(self, usage: Json) -> bytes:
        return encode(self._head() | self._said("") | self._last()) + b"\n"

    def failure(self, error: BrambleError) -> bytes:
        return encode(ollama_error(error.message, error.hint)) + b"\n"

    def whole(self, said: Sequence[Said], usage: Json) -> Json:
        (one,) = said
        self._over = one.over
        thought, text = "", one.text
        if self._thoughts:
            first, last = self._thoughts.feed(text), self._thoughts.finish()
            thought, text = first[0] + last[0], first[1] + last[1]
        body = self._complete(text, thought)
        return self._head() | body | self._likely(one.drawn) | self._last()

    def _split(self, thought: str, said: str, drawn: Sequence[Drawn] = ()) -> bytes:
        """What is thought, then what is said."""
        line = self._line(self._said("", thought), drawn) if thought else b""
        return line + (self._words(said, () if thought else drawn) if said else b"")

    def _words(self, text: str, drawn: Sequence[Drawn] = ()) -> bytes:
        return self._line(self._said(text), drawn)

    def _complete(self, text: str, thought: str) -> Json:
        return self._said(text, thought)

    def _said(self, text: str, thought: str = "") -> Json:
        return {"response": text} | ({"thinking": thought} if thought else {})

    def _line(self, body: Json, drawn: Sequence[Drawn] = ()) -> bytes:
        return encode(self._head() | body | self._likely(drawn) | {"done": False}) + b"\n"

    def _head(self) -> Json:
        return {"model": self._model, "created_at": now()}

    def _likely(self, drawn: Sequence[Drawn]) -> Json:
        told = logprobs(drawn)
        return {"logprobs": told["content"]} if told else {}

    def _last(self) -> Json:
        over = self._over
        if over is None or over.done is None:  # nobody asks before
            raise RuntimeError("an answer that is not over has no counts")
        total = time.monotonic_ns() - self._began
        return {"done": True, "done_reason": over.reason} | _counts(over.done, total)


class ChatLines(GenerateLines):
    """An answer of /api/chat. Where `tools` were offered, calls of them are told apart from text."""

    def __init__(self, model: str, thinks: bool, tools: frozenset[str]) -> None:
        super().__init__(model, thinks)
        self._reader = CallReader(tools, several=True) if tools else None

    def end(self, index: int, over: Over) -> bytes:
        rest = super().end(index, over)
        return rest + (self._parts(self._reader.finish()) if self._reader else b"")

    def _words(self, text: str, drawn: Sequence[Drawn] = ()) -> bytes:
        if self._reader is None:
            return super()._words(text, drawn)
        return self._parts(self._reader.feed(text), drawn)

    def _parts(self, parts: Sequence[str | Call], drawn: Sequence[Drawn] = ()) -> bytes:
        lines: list[bytes] = []
        for part in parts:
            body = self._said(part) if isinstance(part, str) else _message("", [part])
            lines.append(self._line(body, drawn))
            drawn = ()
        return b"".join(lines)

    def _complete(self, text: str, thought: str) -> Json:
        if self._reader is None:
            return self._said(text, thought)
        parts = [*self._reader.feed(text), *self._reader.finish()]
        calls = [part for part in parts if isinstance(part, Call)]
        words = "".join(part for part in parts if isinstance(part, str))
        return _message(words, calls, thought)

    def _said(self, text: str, thought: str = "") -> Json:
        return _message(text, [], thought)


def _message(text: str, calls: Sequence[Call], thought: str = "") -> Json:
    message: Json = {"role": "assistant", "content": text}
    if thought:
        message["thinking"] = thought
    if calls:
        message["tool_calls"] = [
            {
                "id": call.id,
                "function": {
                    "index": index,
                    "name": call.name,
                    "arguments": msgspec.Raw(call.arguments.encode()),
                },
            }
            for index, call in enumerate(calls)
        ]
    return {"message": message}


def _counts(done: Done, total: int) -> Json:
    """Lengths in tokens, times in nanoseconds."""
    return {
        "total_duration": total,
        "load_duration": 0,
        "prompt_eval_count": done.prompt_tokens,
        "prompt_eval_duration": int(done.prefill_ms * NANO),
        "eval_count": done.completion_tokens,
        "eval_duration": int(done.decode_ms * NANO),
    }
