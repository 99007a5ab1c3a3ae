"""Threads by heat and supply: replayed temperature traces, a board that heats up as it computes."""

import random
from collections.abc import Callable, Iterable

import pytest

from bramble.board.levels import Level, Reading, Shed
from tests.board.replays import assert_spaced, guard, reading, replay


def heat_trace(celsius: Callable[[float], float], seconds: int, noise: float) -> Iterable[Reading]:
    dice = random.Random(4)
    for at in range(seconds):
        yield reading(float(at), celsius=celsius(at) + dice.uniform(-noise, noise))


def triangle(at: float) -> float:
    """60 → 86 → 60 °C within 20 minutes."""
    return 86 - 26 * abs(at - 600) / 600


@pytest.mark.parametrize("noise", [0.0, 0.5, 1.5, 2.5])
@pytest.mark.parametrize("cores", [1, 2, 4])
def test_up_to_86_degrees_and_back(cores: int, noise: float) -> None:
    subject = guard(cores)
    changes = replay(subject, heat_trace(triangle, 1200, noise))
    threads = [change.state.threads for _, change in changes]
    lowest = threads.index(min(threads)) if threads else 0
    assert threads[: lowest + 1] == sorted(threads[: lowest + 1], reverse=True)
    assert threads[lowest:] == sorted(threads[lowest:])
    if cores > 1:
        assert min(threads) < cores
        first, last = changes[0], changes[-1]
        assert triangle(first[0]) == pytest.approx(80, abs=2)
        assert last[1].code == "cool" and triangle(last[0]) < 75 + noise
    assert subject.state.threads == cores
    assert all(Shed.MODEL not in change.state.shed for _, change in changes)
    assert_spaced(changes)


def test_what_people_read_when_it_is_hot() -> None:
    subject = guard()
    (_, change), *_ = replay(subject, (reading(float(at), celsius=82.0) for at in range(10)))
    assert change.sentence == "The Pi is at 82 °C, answering with 3 of 4 cores until it cools."
    assert change.code == "hot"
    assert (change.params["celsius"], change.params["threads"], change.params["cores"]) == (
        82,
        3,
        4,
    )
    assert change.state.level is Level.TIGHT


def test_above_the_hard_limit_half_of_the_cores_go_at_once() -> None:
    changes = replay(guard(8), (reading(float(at), celsius=90.0) for at in range(120)))
    assert [(change.code, change.state.threads) for _, change in changes] == [
        ("hot", 4),
        ("hot", 2),
        ("hot", 1),
        ("overheated", 1),
    ]
    last = changes[-1][1].state
    assert last.level is Level.CRITICAL and Shed.NEW_ANSWERS in last.shed
    assert Shed.IDLE_SLOTS not in last.shed


def test_an_overheated_board_answers_again_when_it_has_cooled() -> None:
    subject = guard()
    replay(subject, (reading(float(at), celsius=90.0) for at in range(120)))
    changes = replay(subject, (reading(float(at), celsius=60.0) for at in range(120, 400)))
    assert [(change.code, change.state.threads) for _, change in changes] == [
        ("less_hot", 1),
        ("cooler", 2),
        ("cooler", 3),
        ("cool", 4),
    ]


def test_a_board_without_a_cooler_settles() -> None:
    """Four cores would go to 92 °C, three to 82, two to 72: it stays below the hard limit and changes seldom."""
    subject, celsius, hottest = guard(), 50.0, 0.0
    changes: list[float] = []
    for at in range(3600):
        celsius += (52 + 10 * subject.state.threads - celsius) / 90
        hottest = max(hottest, celsius)
        if subject.update(reading(float(at), celsius=celsius)):
            changes.append(at)
    assert hottest < 85
    assert subject.state.threads >= 2
    assert len([at for at in changes if at >= 1800]) <= 30


def test_the_firmware_slowing_down_counts_as_heat() -> None:
    subject = guard()
    changes = replay(subject, (reading(float(at), throttled=True) for at in range(30)))
    assert [change.code for _, change in changes] == ["throttled", "throttled"]
    assert "slows itself down" in changes[0][1].sentence


def test_a_weak_supply_costs_one_core() -> None:
    subject = guard()
    changes = replay(subject, (reading(float(at), weak_supply=True) for at in range(300)))
    assert [(change.code, change.state.threads) for _, change in changes] == [("weak_supply", 3)]
    changes = replay(subject, (reading(float(at)) for at in range(300, 400)))
    assert [(change.code, change.state.threads) for _, change in changes] == [("cool", 4)]


def test_without_a_sensor_nothing_is_made_up() -> None:
    subject = guard()
    assert replay(subject, (reading(float(at), celsius=None) for at in range(100))) == []
