"""What of a conversation is left out where it does not fit the context: the oldest, but never what the system says."""

from bramble.engine.wire import Turn

KEEP = 0.7
"""The part of the context that what stays may fill: the answer needs room, and the estimate may be wrong."""


def shortened(turns: tuple[Turn, ...], tokens: int, context: int) -> tuple[Turn, ...] | None:
    """The conversation without its oldest messages, from a user's message on; None where nothing may go.

    It had so many `tokens`; each message's share is estimated by its length.
    """
    size = sum(map(_size, turns))
    room = KEEP * context * size / tokens - sum(_size(t) for t in turns if t.role == "system")
    starts = [index for index, turn in enumerate(turns) if turn.role == "user"]
    first = next((index for index, turn in enumerate(turns) if turn.role != "system"), len(turns))
    for start in (index for index in starts if index > first):
        rest = turns[start:]
        if start == starts[-1] or sum(_size(t) for t in rest if t.role != "system") <= room:
            return (*(turn for turn in turns[:start] if turn.role == "system"), *rest)
    return None


def _size(turn: Turn) -> int:
    return len(turn.content) + sum(len(call.arguments) for call in turn.tool_calls) + 16
