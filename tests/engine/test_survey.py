"""Every message of a one-off process survives its line of JSON."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bramble.engine import survey
from tests.engine.test_wire import build, members


@given(st.data())
@pytest.mark.parametrize("kind", members(survey.Order))
def test_round_trip_of_orders(kind: type[Any], data: st.DataObject) -> None:
    order = data.draw(build(kind))
    line = survey.line(order)
    assert line.count(b"\n") == 1
    assert survey.parse_order(line) == order


@given(st.data())
@pytest.mark.parametrize("kind", members(survey.Answer))
def test_round_trip_of_answers(kind: type[Any], data: st.DataObject) -> None:
    answer = data.draw(build(kind))
    assert survey.parse_answer(survey.line(answer)) == answer
