"""The answer of /v1/responses: a list of items (words, calls of functions), whole or told as events while it grows."""

import secrets
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from bramble.chat.answer import Over, Text
from bramble.engine.extras import Drawn
from bramble.errors import BrambleError
from bramble.server.calls import Call, CallReader
from bramble.server.replies import Events, Said, encode, logprobs
from bramble.server.responses import Response

Json = dict[str, Any]


class ResponseReply(Events):
    """One answer to `body`."""

    def __init__(self, body: Response, model: str) -> None:
        names = frozenset(tool.name for tool in body.offered())
        self._reader = CallReader(names, several=body.parallel_tool_calls is not False)
        self._reads = bool(names)
        self._body = _head(body, model)
        self._count = 0
        self._output: list[Json] = []
        self._words: Json | None = None
        """The message that is being written, which is the last of the output."""
        self._drawn: list[Json] = []
        self._reason = "stop"

    def open(self, index: int) -> bytes:
        return self._told("response.created") + self._told("response.in_progress")

    def text(self, index: int, update: Text) -> bytes:
        parts = self._reader.feed(update.text) if self._reads else [update.text]
        return self._take(parts, update.drawn)

    def end(self, index: int, over: Over) -> bytes:
        self._reason = over.reason
        rest = self._take(self._reader.finish()) if self._reads else b""
        if not self._output:
            rest += self._begin()
        return rest + self._finish()

    def close(self, usage: Json) -> bytes:
        self._close(usage)
        return self._told(f"response.{self._body['status']}")

    def failure(self, error: BrambleError) -> bytes:
        """The items so far stay: an end that a client of this API knows."""
        told = {"code": "server_error", "message": f"{error.message} {error.hint}".strip()}
        self._body |= {"status": "failed", "error": told, "output": self._output}
        return self._told("response.failed")

    def whole(self, said: Sequence[Said], usage: Json) -> Json:
        (one,) = said
        self.text(0, Text(0, one.text, tuple(one.drawn)))
        assert one.over is not None  # nobody asks before
        self.end(0, one.over)
        self._close(usage)
        return self._body

    # ── the items ────────────────────────────────────────────────────────────────────────────────

    def _take(self, parts: Sequence[str | Call], drawn: Sequence[Drawn] = ()) -> bytes:
        events: list[bytes] = []
        for part in parts:
            if isinstance(part, Call):
                events += [self._finish(), self._call(part)]
            elif part:
                events.append(self._write(part, drawn))
                drawn = ()
        return b"".join(events)

    def _begin(self) -> bytes:
        """A new message."""
        part: Json = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
        self._words = _item("message", "msg", role="assistant", content=[])
        added = self._item("added", self._words)
        self._words["content"] = [part]
        return added + self._part("response.content_part.added", part=part)

    def _write(self, text: str, drawn: Sequence[Drawn]) -> bytes:
        before = b"" if self._words else self._begin()
        assert self._words is not None
        told = (logprobs(drawn) or {"content": []})["content"]
        part = self._words["content"][0]
        part["text"] += text
        part["logprobs"] += told
        return before + self._part("response.output_text.delta", delta=text, logprobs=told)

    def _finish(self) -> bytes:
        """The message that is being written is over."""
        if self._words is None:
            return b""
        part = self._words["content"][0]
        told = {"text": part["text"], "logprobs": part["logprobs"]}
        events = self._part("response.output_text.done", **told)
        events += self._part("response.content_part.done", part=part)
        cut = self._reason == "length"
        self._words["status"] = "incomplete" if cut else "completed"
        events += self._item("done", self._words)
        self._words = None
        return events

    def _call(self, call: Call) -> bytes:
        item = _item("function_call", "fc", call_id=call.id, name=call.name, arguments="")
        events = self._item("added", item)
        item |= {"arguments": call.arguments, "status": "completed"}
        place = {"item_id": item["id"], "output_index": len(self._output) - 1}
        kind = "response.function_call_arguments"
        events += self._event(f"{kind}.delta", **place, delta=call.arguments)
        events += self._event(f"{kind}.done", **place, name=call.name, arguments=call.arguments)
        return events + self._item("done", item)

    def _item(self, what: str, item: Json) -> bytes:
        if what == "added":
            self._output.append(item)
        index = len(self._output) - 1
        return self._event(f"response.output_item.{what}", output_index=index, item=item)

    def _part(self, kind: str, **more: Any) -> bytes:
        assert self._words is not None
        place = {"item_id": self._words["id"], "output_index": len(self._output) - 1}
        return self._event(kind, **place, content_index=0, **more)

    # ── the answer ───────────────────────────────────────────────────────────────────────────────

    def _close(self, usage: Json) -> None:
        cut = self._reason == "length"
        self._body |= {
            "status": "incomplete" if cut else "completed",
            "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
            "output": self._output,
            "usage": {
                "input_tokens": usage["prompt_tokens"],
                "input_tokens_details": {
                    "cached_tokens": usage["prompt_tokens_details"]["cached_tokens"],
                    "cache_write_tokens": 0,
                },
                "output_tokens": usage["completion_tokens"],
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": usage["total_tokens"],
            },
        }

    def _told(self, kind: str) -> bytes:
        return self._event(kind, response=self._body)

    def _event(self, kind: str, **more: Any) -> bytes:
        data = encode({"type": kind, "sequence_number": self._count, **more})
        self._count += 1
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), data)


def _item(kind: str, prefix: str, **more: Any) -> Json:
    return {"id": _id(prefix), "type": kind, "status": "in_progress", **more}


def _id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(16)}"


def _head(body: Response, model: str) -> Json:
    """What is known before the first word: what was asked, as it is understood here."""
    sampling = body.sampling()
    choice = body.tool_choice or "auto"
    return {
        "id": _id("resp"),
        "object": "response",
        "created_at": int(time.time()),
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": body.instructions,
        "max_output_tokens": body.max_output_tokens,
        "metadata": body.metadata or {},
        "model": model,
        "output": [],
        "parallel_tool_calls": body.parallel_tool_calls is not False,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "store": False,
        "temperature": sampling.temperature,
        "text": {"format": (body.text and body.text.format) or {"type": "text"}},
        "tool_choice": msgspec.to_builtins(choice),
        "tools": [
            {
                "type": "function",
                "name": tool.name,
                "description": tool.description,
                "parameters": msgspec.Raw(tool.parameters.encode()),
                "strict": False,
            }
            for tool in body.offered()
        ],
        "top_logprobs": body.top_logprobs or 0,
        "top_p": sampling.top_p,
        "truncation": "disabled",
        "usage": None,
    }
