"""The guard's decisions: memory ramps, and what holds for any readings at all. Heat is in `test_cooling`."""

import random
import re
from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from bramble.board import words
from bramble.board.guard import SETTLE
from bramble.board.levels import RUNGS, Level, Reading, Shed
from bramble.board.shortage import TIGHT_BELOW, TIGHT_UNTIL
from tests.board.replays import RESERVE, assert_spaced, guard, reading, replay


def memory_ramp(*stretches: tuple[float, int]) -> Iterable[Reading]:
    """One reading a second: straight from each room to the next within so many seconds."""
    at, room = 0.0, 10.0
    for to, seconds in stretches:
        start = room
        for step in range(1, seconds + 1):
            room = start + (to - start) * step / seconds
            yield reading(at, room)
            at += 1


# ── memory ───────────────────────────────────────────────────────────────────────────────────────


def test_calm_changes_nothing() -> None:
    subject = guard()
    assert replay(subject, memory_ramp((10, 600))) == []
    assert subject.state.level is Level.CALM
    assert subject.state.shed == ()


def test_a_hog_comes_and_goes() -> None:
    """All levels in order, each shed in its order, everything given back in reverse."""
    changes = replay(guard(), memory_ramp((0.8, 60), (-0.2, 60), (-0.2, 30), (10, 60), (10, 120)))
    assert [change.code for _, change in changes] == [
        "memory_tight",
        "memory_critical",
        "slots_dropped",
        "model_unloaded",
        "model_returns",
        "slots_return",
        "answers_return",
        "memory_calm",
    ]
    sheds = [change.state.shed for _, change in changes]
    order = tuple(Shed)
    assert sheds == [order[:n] for n in (3, 4, 5, 6, 5, 4, 3, 0)]


def test_memory_that_is_gone_at_once_is_critical_at_once() -> None:
    subject = guard()
    assert subject.update(reading(0.0)) is None
    assert subject.update(reading(1.0, 0.9)) is not None
    change = subject.update(reading(2.0, -1.0))
    assert change is not None and change.state.level is Level.CRITICAL
    assert Shed.NEW_ANSWERS in change.state.shed and Shed.MODEL not in change.state.shed


def test_a_running_answer_keeps_the_model_until_it_is_hopeless() -> None:
    subject = guard()
    replay(subject, (reading(float(at), -0.2, answering=1) for at in range(120)))
    assert subject.state.shed == tuple(Shed)[:5]
    replay(subject, (reading(float(at), -0.6, answering=1) for at in range(120, 125)))
    assert Shed.MODEL in subject.state.shed


def test_an_unloaded_model_comes_back_only_when_it_fits() -> None:
    """What unloading it frees is no reason to load it again."""
    subject, model = guard(), 8 * RESERVE

    def left(at: float) -> int:
        hog = 10 * RESERVE if at < 300 else 0
        loaded = 0 if Shed.MODEL in subject.state.shed else model
        return int(17.5 * RESERVE) - hog - loaded

    codes: list[str] = []
    for at in range(600):
        owed = model if Shed.MODEL in subject.state.shed else 0
        if change := subject.update(Reading(float(at), left(at), RESERVE, owed=owed)):
            codes.append(f"{at // 300} {change.code}")
    assert codes == [
        "0 memory_critical",
        "0 slots_dropped",
        "0 model_unloaded",
        "1 model_returns",
        "1 slots_return",
        "1 answers_return",
        "1 memory_calm",
    ]


def test_pressure_counts_where_numbers_look_well() -> None:
    subject = guard()
    changes = replay(subject, (reading(float(at), some=15.0) for at in range(60)))
    assert [change.code for _, change in changes] == ["memory_tight"]
    changes = replay(subject, (reading(float(at), some=60.0, full=30.0) for at in range(60, 90)))
    assert changes[0][1].code == "memory_critical"
    replay(subject, (reading(float(at)) for at in range(90, 300)))
    assert subject.state.level is Level.CALM


@given(
    room=st.floats(-2, 12),
    noise=st.floats(0, (TIGHT_UNTIL - TIGHT_BELOW) / 2 - 0.01),
    seed=st.integers(0, 1000),
)
def test_a_constant_load_goes_one_way(room: float, noise: float, seed: int) -> None:
    """Noise within the band: never up and down, and soon nothing more."""
    dice = random.Random(seed)
    subject = guard()
    changes = replay(
        subject, (reading(float(at), room + dice.uniform(-noise, noise)) for at in range(300))
    )
    depths = [len(change.state.shed) for _, change in changes]
    assert depths == sorted(depths)
    assert len(changes) <= len(RUNGS) - 1
    assert_spaced(changes)


@settings(max_examples=20)
@given(seed=st.integers(0, 1000), room=st.floats(-1, 3), noise=st.floats(0.5, 5))
def test_a_wild_load_does_not_make_the_guard_wild(seed: int, room: float, noise: float) -> None:
    """Noise far beyond the band: one change in 10 s at most, and half as often in the long run."""
    dice = random.Random(seed)
    subject = guard()
    changes = replay(
        subject, (reading(float(at), room + dice.uniform(-noise, noise)) for at in range(3600))
    )
    assert len(changes) <= 3600 / SETTLE
    assert len([at for at, _ in changes if at >= 1800]) <= 1800 / SETTLE / 2


# ── any readings at all ──────────────────────────────────────────────────────────────────────────

STRETCH = st.tuples(
    st.floats(-3, 5),
    st.floats(40, 95) | st.none(),
    st.floats(0, 100),
    st.booleans(),
    st.booleans(),
    st.integers(0, 2),
    st.integers(1, 60),
)


def stretched(
    stretches: list[tuple[float, float | None, float, bool, bool, int, int]],
) -> list[Reading]:
    """One reading a second: each stretch is a load that stays for so many seconds."""
    readings: list[Reading] = []
    for room, celsius, pressure, throttled, weak, answering, seconds in stretches:
        for _ in range(seconds):
            readings.append(
                reading(
                    float(len(readings)),
                    room,
                    celsius=celsius,
                    some=pressure,
                    full=pressure / 2,
                    throttled=throttled,
                    weak_supply=weak,
                    answering=answering,
                )
            )
    return readings


@settings(max_examples=50)
@given(st.lists(STRETCH, min_size=1, max_size=12), st.integers(1, 8))
def test_whatever_comes(
    stretches: list[tuple[float, float | None, float, bool, bool, int, int]], cores: int
) -> None:
    readings = stretched(stretches)
    subject = guard(cores)
    changes = replay(subject, readings)
    assert changes == replay(guard(cores), readings), "the same readings, the same decisions"
    assert_spaced(changes)
    before = guard(cores).state
    for _, change in changes:
        state = change.state
        assert state != before
        assert (state.level, len(state.shed)) in RUNGS
        assert state.shed == tuple(Shed)[: len(state.shed)]
        assert 1 <= state.threads <= cores
        assert change.sentence == words.sentence(change.code, change.params)
        before = state
    quiet = len(readings) + 1500
    replay(subject, (reading(float(at), celsius=45.0) for at in range(len(readings), quiet)))
    assert (subject.state.level, subject.state.threads) == (Level.CALM, cores)


def test_a_sentence_about_memory_is_not_told_while_heat_asks_for_as_much() -> None:
    """There is enough memory again, but nothing is as usual."""
    subject = guard()
    changes = replay(subject, (reading(float(at), 0.5, celsius=81.0) for at in range(15)))
    changes += replay(subject, (reading(float(at), 9.0, celsius=81.0) for at in range(15, 60)))
    assert {change.code for _, change in changes} == {"memory_tight", "hot"}
    assert subject.state.level is Level.TIGHT


def test_every_sentence_is_whole() -> None:
    """Each names only parameters that a change has, begins like a sentence and ends like one."""
    known = {"left", "celsius", "threads", "cores", "machine"}
    for sentence in words.SENTENCES.values():
        assert set(re.findall(r"{(\w+)}", sentence)) <= known
        assert sentence[0].isupper() and sentence.endswith(".")
