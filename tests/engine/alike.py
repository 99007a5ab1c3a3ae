"""Whether two answers are the same up to rounding: cells in another order are summed up in another order."""

from bramble.engine.extras import Drawn
from tests.engine.rig import Answer

ROUNDING = 0.03
"""Largest difference of logarithms; flash attention sums in half precision. A wrong state makes it far more."""


def check_alike(left: Answer, right: Answer) -> None:
    """The same tokens with the same probabilities, up to where others were as likely; both asked for `logprobs=5`."""
    for ours, theirs in zip(_drawn(left), _drawn(right), strict=False):
        if ours.token != theirs.token:
            close = [t for t in theirs.top if theirs.logprob - t.logprob < 2 * ROUNDING]
            assert ours.token in [likely.token for likely in close]
            return
        assert abs(ours.logprob - theirs.logprob) < ROUNDING
    assert left.text == right.text


def _drawn(answer: Answer) -> list[Drawn]:
    return [drawn for piece in answer.pieces for drawn in piece.drawn]
