"""What a chat client reads: a completion in one piece, or as server-sent events.

A chunk is sent for every token, so what is the same in all chunks of an answer is encoded once.
"""

import secrets
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from bramble.chat.answer import Over, Text
from bramble.engine.extras import Drawn, Likely
from bramble.engine.wire import Done
from bramble.errors import BrambleError
from bramble.server.calls import Call, CallReader
from bramble.server.errors import openai_error

encode = msgspec.json.encode

END = b"data: [DONE]\n\n"


@dataclass
class Said:
    """One choice, as far as it is told."""

    text: str = ""
    drawn: list[Drawn] = field(default_factory=list[Drawn])
    over: Over | None = None

    def take(self, update: Text) -> None:
        """Add the next characters."""
        self.text += update.text
        self.drawn += update.drawn


class Reply(Protocol):
    """One request's answer in its family's shape. A stream is `open` and `text` a choice, `end`, then `close`."""

    @property
    def content_type(self) -> str:
        """What a stream is."""
        ...

    def open(self, index: int) -> bytes:
        """A choice begins."""
        ...

    def text(self, index: int, update: Text) -> bytes:
        """Its next characters; maybe nothing."""
        ...

    def end(self, index: int, over: Over) -> bytes:
        """Why it ended."""
        ...

    def close(self, usage: dict[str, Any]) -> bytes:
        """Everything is told."""
        ...

    def pause(self, message: str) -> bytes:
        """It goes on later; only a sign of life where the family has no word for that."""
        ...

    def failure(self, error: BrambleError) -> bytes:
        """It broke off."""
        ...

    def whole(self, said: Sequence[Said], usage: dict[str, Any]) -> dict[str, Any]:
        """All of it in one piece."""
        ...


class Events:
    """What streams of server-sent events have in common."""

    content_type = "text/event-stream"

    def pause(self, message: str) -> bytes:
        return b": %b\n\n" % message.encode()  # a comment: nobody parses it, and proxies see life

    def failure(self, error: BrambleError) -> bytes:
        return event(openai_error(error))


def event(body: object) -> bytes:
    """One server-sent event."""
    return b"data: " + encode(body) + b"\n\n"


def usage(done: Sequence[Done], choices: int) -> dict[str, Any]:
    """Lengths in tokens; a prompt counts once for all its `choices`."""
    firsts = done[::choices]
    prompt = sum(each.prompt_tokens for each in firsts)
    completion = sum(each.completion_tokens for each in done)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": sum(each.cached_tokens for each in firsts)},
    }


def head(kind: str, prefix: str, model: str) -> dict[str, Any]:
    """What an answer and all its chunks begin with."""
    id = f"{prefix}-{secrets.token_hex(12)}"
    return {"id": id, "object": kind, "created": int(time.time()), "model": model}


class ChatReply(Events):
    """A chat completion. Where `tools` were offered, calls of them are told apart from text."""

    def __init__(
        self,
        model: str,
        *,
        include_usage: bool,
        tools: frozenset[str] = frozenset(),
        several: bool = True,
    ) -> None:
        self._model = model
        self._tools, self._several = tools, several
        self._readers: dict[int, CallReader] = {}
        self._told: dict[int, int] = {}
        start = head("chat.completion.chunk", "chatcmpl", model)
        self._open = b"data: " + encode(start)[:-1] + b',"choices":'
        self._close = b',"usage":null}\n\n' if include_usage else b"}\n\n"
        self._include_usage = include_usage
        self._after = b'},"logprobs":null,"finish_reason":null}]' + self._close

    def open(self, index: int) -> bytes:
        if self._tools:
            self._readers[index] = CallReader(self._tools, several=self._several)
        return self._chunk(index, {"role": "assistant", "content": ""})

    def text(self, index: int, update: Text) -> bytes:
        if self._tools:
            return self._deltas(index, self._readers[index].feed(update.text), update.drawn)
        if update.drawn:
            return self._chunk(index, {"content": update.text}, update.drawn)
        before = b'[{"index":%d,"delta":{"content":' % index
        return self._open + before + encode(update.text) + self._after

    def end(self, index: int, over: Over) -> bytes:
        if not self._tools:
            return self._chunk(index, {}, reason=over.reason)
        reader = self._readers[index]
        rest = self._deltas(index, reader.finish())
        return rest + self._chunk(index, {}, reason=_reason(over, reader))

    def close(self, usage: dict[str, Any]) -> bytes:
        last = self._open + b'[],"usage":' + encode(usage) + b"}\n\n"
        return (last if self._include_usage else b"") + END

    def whole(self, said: Sequence[Said], usage: dict[str, Any]) -> dict[str, Any]:
        choices = [self._choice(index, each) for index, each in enumerate(said)]
        start = head("chat.completion", "chatcmpl", self._model)
        return {**start, "choices": choices, "usage": usage}

    def _choice(self, index: int, said: Said) -> dict[str, Any]:
        reader = CallReader(self._tools, several=self._several)
        parts = [*reader.feed(said.text), *reader.finish()] if self._tools else [said.text]
        calls = [part for part in parts if isinstance(part, Call)]
        text = "".join(part for part in parts if isinstance(part, str))
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if calls:
            message["content"] = text or None
            message["tool_calls"] = [_called(call) for call in calls]
        return {
            "index": index,
            "message": message,
            "logprobs": logprobs(said.drawn),
            "finish_reason": _reason(said.over, reader) if said.over else None,
        }

    def _deltas(
        self, index: int, parts: Sequence[str | Call], drawn: Sequence[Drawn] = ()
    ) -> bytes:
        """A chunk for each text and each call: clients read one call of a delta."""
        chunks: list[bytes] = []
        for part in parts:
            if isinstance(part, str):
                chunks.append(self._chunk(index, {"content": part}, drawn))
                drawn = ()
            else:
                number = self._told.get(index, 0)
                self._told[index] = number + 1
                call = {"index": number, **_called(part)}
                chunks.append(self._chunk(index, {"tool_calls": [call]}))
        return b"".join(chunks)

    def _chunk(
        self,
        index: int,
        delta: dict[str, Any],
        drawn: Sequence[Drawn] = (),
        reason: str | None = None,
    ) -> bytes:
        choice = {
            "index": index,
            "delta": delta,
            "logprobs": logprobs(drawn),
            "finish_reason": reason,
        }
        return self._open + encode([choice]) + self._close


def _reason(over: Over, reader: CallReader) -> str:
    return "tool_calls" if reader.calls and over.reason == "stop" else over.reason


def _called(call: Call) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}


def logprobs(drawn: Iterable[Drawn]) -> dict[str, Any] | None:
    """The probabilities as chat clients read them, None where there are none to tell."""
    content = [{**_likely(each), "top_logprobs": list(map(_likely, each.top))} for each in drawn]
    return {"content": content, "refusal": None} if content else None


def _likely(one: Drawn | Likely) -> dict[str, Any]:
    text = one.token.decode("utf-8", "replace")
    return {"token": text, "logprob": one.logprob, "bytes": list(one.token)}
