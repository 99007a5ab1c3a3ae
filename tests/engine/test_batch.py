"""How a step's rows are shared out, and how the pace follows what steps really cost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bramble.engine.batch import RETRY, SMALLEST, Pace, shares
from bramble.engine.overlap import common_prefix


@given(st.lists(st.integers(0, 3), max_size=40), st.lists(st.integers(0, 3), max_size=40))
def test_common_prefix(left: list[int], right: list[int]) -> None:
    size = common_prefix(left, right)
    assert left[:size] == right[:size]
    assert size == min(len(left), len(right)) or left[size] != right[size]


class Waiting:
    """Only what `shares` looks at."""

    def __init__(self, missing: int) -> None:
        self.missing = missing


@given(st.lists(st.integers(2, 3000), min_size=1, max_size=16), st.integers(16, 2048))
def test_shares_are_fair_and_spend_the_budget(missing: list[int], budget: int) -> None:
    taken = list(shares([Waiting(m) for m in missing], budget))
    rows = [count for _, count in taken]
    assert sum(rows) <= budget
    assert all(count <= slot.missing for slot, count in taken)
    assert sum(rows) == min(budget, sum(missing))
    cut = [count for slot, count in taken if count < slot.missing]
    if cut:  # nobody who was cut short got less than another, but for the rounding of one row
        assert min(cut) >= max(rows) - 1


def test_the_budget_follows_the_measured_cost_and_leaves_room_for_decoding() -> None:
    pace = Pace(rows_max=512, max_step_ms=250)
    assert pace.budget(decoding=0) == SMALLEST
    pace.learn(decoding=1, prefill=31, ms=155)  # the very first step may be such a one
    assert pace.row_ms == 5
    pace = Pace(rows_max=512, max_step_ms=250)
    for _ in range(30):
        pace.learn(decoding=1, prefill=0, ms=50)
        pace.learn(decoding=1, prefill=100, ms=50 + 400)
    assert 45 <= pace.budget(decoding=1) <= 50  # (250 - 50) ms at 4 ms a row
    assert pace.budget(decoding=0) == 496  # two seconds of 4 ms rows
    for _ in range(30):
        pace.learn(decoding=0, prefill=512, ms=51.2)
    assert pace.budget(decoding=3) == 509


@pytest.mark.parametrize(
    ("fitting", "decoding", "prefill"),
    [(50, 3, 45), (32, 0, 32), (44, 3, 29), (28, 3, 21), (21, 0, 20), (17, 3, 17), (3, 2, 18)],
)
def test_prefill_rows_and_those_who_decode_are_whole_blocks(
    fitting: int, decoding: int, prefill: int
) -> None:
    pace = Pace(rows_max=128, max_step_ms=250)
    pace.learn(decoding=0, prefill=96, ms=96)
    assert pace.rows(fitting + 0.5, beside=decoding) == prefill


def test_short_steps_do_not_make_whole_blocks_look_dear() -> None:
    """As measured: 28 rows take as long as 32, 24 five sixths of that."""
    for rows, ms in ((28, 320), (24, 267)):
        pace = Pace(rows_max=128, max_step_ms=320)
        pace.learn(decoding=0, prefill=rows, ms=ms)
        assert pace.rows(320.5) == 32


def test_three_are_filled_up_to_four_as_long_as_that_is_cheaper() -> None:
    pace = Pace(rows_max=128, max_step_ms=250, guess_rows=8)

    def fills() -> bool:
        return pace.fills(decoding=3, guessed=0)

    assert fills(), "nobody knows yet"
    pace.learn(decoding=3, prefill=0, ms=90)
    pace.learn(decoding=3, prefill=0, filled=1, ms=70)
    assert fills()
    assert not pace.fills(decoding=2, guessed=0) and not pace.fills(decoding=4, guessed=0)
    assert pace.fills(decoding=1, guessed=2)
    assert not pace.fills(decoding=3, guessed=8), "there is no room for logits"
    for _ in range(30):
        pace.learn(decoding=3, prefill=0, filled=1, ms=120)
    assert [fills() for _ in range(RETRY)] == [False] * (RETRY - 1) + [True], "tried now and then"
    assert not Pace(rows_max=128, max_step_ms=250).fills(decoding=3, guessed=0)
