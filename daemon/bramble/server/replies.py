"""What an OpenAI client reads: a completion in one piece, or as server-sent events.

A chunk is sent for every token, so what is the same in all chunks of an answer is encoded once.
"""

import secrets
import time
from typing import Any

import msgspec

from bramble.engine.wire import Done

encode = msgspec.json.encode

END = b"data: [DONE]\n\n"


def event(body: object) -> bytes:
    """One server-sent event."""
    return b"data: " + encode(body) + b"\n\n"


def usage(done: Done) -> dict[str, Any]:
    """Lengths in tokens."""
    return {
        "prompt_tokens": done.prompt_tokens,
        "completion_tokens": done.completion_tokens,
        "total_tokens": done.prompt_tokens + done.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": done.cached_tokens},
    }


def completion(model: str, text: str, done: Done, reason: str) -> dict[str, Any]:
    """The whole answer."""
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
    return {**_head("chat.completion", model), "choices": [choice], "usage": usage(done)}


class Chunks:
    """The events of one stream."""

    def __init__(self, model: str, *, include_usage: bool) -> None:
        head = _head("chat.completion.chunk", model)
        self._open = b"data: " + encode(head)[:-1] + b',"choices":'
        self._close = b',"usage":null}\n\n' if include_usage else b"}\n\n"
        self._include_usage = include_usage
        self._before = self._open + b'[{"index":0,"delta":{"content":'
        self._after = b'},"logprobs":null,"finish_reason":null}]' + self._close

    def role(self) -> bytes:
        """The first event."""
        return self._choice({"role": "assistant", "content": ""}, None)

    def text(self, text: str) -> bytes:
        """The next characters."""
        return self._before + encode(text) + self._after

    def end(self, done: Done, reason: str) -> bytes:
        """The last events: why it ended, the usage where it was asked for, and that this is all."""
        last = self._open + b'[],"usage":' + encode(usage(done)) + b"}\n\n"
        return self._choice({}, reason) + (last if self._include_usage else b"") + END

    def _choice(self, delta: dict[str, str], reason: str | None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return self._open + encode([choice]) + self._close


def _head(kind: str, model: str) -> dict[str, Any]:
    id = f"chatcmpl-{secrets.token_hex(12)}"
    return {"id": id, "object": kind, "created": int(time.time()), "model": model}
