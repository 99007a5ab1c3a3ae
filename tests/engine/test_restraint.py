"""A real engine that is told to do with less: threads follow between tokens, prefixes go, and all comes back."""

import os

from bramble.engine import wire
from tests.engine.rig import Ask, Rig

STORY = "Tell a long story about a fox. " * 12
CORES = len(os.sched_getaffinity(0))


def threads(rig: Rig) -> int:
    """How many decode now, by the engine's own word."""
    count = len(rig.pongs)
    rig.send(wire.Ping(count))
    while len(rig.pongs) == count:
        rig.read()
    return rig.pongs[-1].threads


def test_threads_follow_while_it_answers(rig: Rig) -> None:
    assert isinstance(rig.first, wire.Ready)
    planned = rig.first.threads
    ask = Ask("Count from one to fifty in words.", tokens=60)
    undisturbed = rig.answer(ask).done
    id = rig.ask(ask)
    rig.wait_for_text(id)
    rig.send(wire.Limits(threads=1))
    assert threads(rig) == 1
    rig.send(wire.Limits(threads=CORES))
    assert threads(rig) == planned
    assert rig.wait(id)[0].done.completion_tokens == undisturbed.completion_tokens


def test_no_limit_is_more_than_was_planned(rig: Rig) -> None:
    assert isinstance(rig.first, wire.Ready)
    rig.send(wire.Limits(threads=500))
    assert threads(rig) == rig.first.threads
    rig.send(wire.Limits(threads=0))
    assert threads(rig) == 1
    rig.send(wire.Limits(threads=CORES))


def test_idle_slots_are_dropped_and_kept_again(rig: Rig) -> None:
    ask = Ask(STORY, tokens=4)
    rig.answer(ask)
    assert rig.answer(ask).started.cached_tokens > 40
    rig.send(wire.Limits(threads=CORES, aside=0.0, idle=False))
    assert rig.answer(ask).started.cached_tokens == 0
    assert rig.answer(ask).started.cached_tokens == 0
    rig.send(wire.Limits(threads=CORES))
    rig.answer(ask)
    assert rig.answer(ask).started.cached_tokens > 40


def test_nothing_is_computed_ahead_while_memory_is_short(rig: Rig) -> None:
    text = "What would a hedgehog write in a letter to the moon? " * 6
    rig.send(wire.Limits(threads=CORES, ahead=False))
    rig.send(wire.Typing("somebody", (wire.Turn("user", text),)))
    threads(rig)
    assert rig.answer(Ask(text, tokens=1)).started.cached_tokens < 40
    rig.send(wire.Limits(threads=CORES))
