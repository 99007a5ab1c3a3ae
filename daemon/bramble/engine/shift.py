"""Finds prompts that are what a sequence holds with a block in the middle left out: a conversation grown too long.

Nothing behind the block is computed again: its cells move down (RoPE is turned back), as in llama-server's context
shift. What they hold was computed when the block was still there, so it is not exactly what a cold start would give.
"""

from dataclasses import dataclass

from bramble.engine.overlap import common_prefix

ANCHOR = 16
"""Tokens that have to be the same on both sides of a gap; fewer would match by chance."""
LEAST_GAIN = 64
"""Tokens that a gap has to save: for fewer the exact way is as fast."""


@dataclass(frozen=True)
class Gap:
    """Without the tokens from `start` to `end`, a sequence holds the first `size` tokens of a prompt."""

    start: int
    end: int
    size: int

    @property
    def used(self) -> int:
        """Up to where the sequence is used; what follows goes."""
        return self.end + self.size - self.start


def find(held: list[int], tokens: list[int]) -> Gap | None:
    """The gap that leaves most of `tokens` (never all of them), if there is one that pays."""
    start = common_prefix(held, tokens)
    rest = tokens[start:-1]
    anchor, end, best = rest[:ANCHOR], start, None
    if len(rest) < LEAST_GAIN:
        return None
    while (end := _index(held, anchor[0], end + 1)) >= 0:
        if held[end : end + ANCHOR] == anchor:
            same = common_prefix(held[end:], rest)
            if same >= (best.size - start + 1 if best else LEAST_GAIN):
                best = Gap(start, end, start + same)
    return best


def _index(tokens: list[int], token: int, start: int) -> int:
    try:
        return tokens.index(token, start)
    except ValueError:
        return -1
