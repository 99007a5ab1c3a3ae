"""A conversation as a file to keep: Markdown to read, JSON to work with."""

from datetime import datetime

import msgspec

from bramble.chat.records import Message, Summary

SPEAKER = {"user": "You", "assistant": "Bramble"}


def markdown(summary: Summary, messages: list[Message]) -> bytes:
    """The branch that is shown, a heading a message; texts are as they were written."""
    parts = [f"# {summary.title}", _time(summary.created)]
    for each in messages:
        parts += [f"## {SPEAKER[each.role]}", each.text]
    return ("\n\n".join(parts) + "\n").encode()


def json(summary: Summary, messages: list[Message]) -> bytes:
    """The same, with ids and status."""
    body = {
        "title": summary.title,
        "conversation": summary.conversation,
        "created": _time(summary.created),
        "updated": _time(summary.updated),
        "role": summary.role,
        "messages": messages,
    }
    return msgspec.json.format(msgspec.json.encode(body), indent=2) + b"\n"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds")
