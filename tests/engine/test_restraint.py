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


def test_threads_follow_while_it_answers(own: Rig) -> None:
    assert isinstance(own.first, wire.Ready)
    planned = own.first.threads
    ask = Ask("Count from one to fifty in words.", tokens=60)
    undisturbed = own.answer(ask).done
    id = own.ask(ask)
    own.wait_for_text(id)
    own.send(wire.Limits(threads=1))
    assert threads(own) == 1
    own.send(wire.Limits(threads=CORES))
    assert threads(own) == planned
    assert own.wait(id)[0].done.completion_tokens == undisturbed.completion_tokens


def test_no_limit_is_more_than_was_planned(own: Rig) -> None:
    assert isinstance(own.first, wire.Ready)
    own.send(wire.Limits(threads=500))
    assert threads(own) == own.first.threads
    own.send(wire.Limits(threads=0))
    assert threads(own) == 1
    own.send(wire.Limits(threads=CORES))


def test_idle_slots_are_dropped_and_kept_again(own: Rig) -> None:
    ask = Ask(STORY, tokens=4)
    own.answer(ask)
    assert own.answer(ask).started.cached_tokens > 40
    own.send(wire.Limits(threads=CORES, aside=0.0, idle=False))
    assert own.answer(ask).started.cached_tokens == 0
    assert own.answer(ask).started.cached_tokens == 0
    own.send(wire.Limits(threads=CORES))
    own.answer(ask)
    assert own.answer(ask).started.cached_tokens > 40


def test_nothing_is_computed_ahead_while_memory_is_short(own: Rig) -> None:
    text = "What would a hedgehog write in a letter to the moon? " * 6
    own.send(wire.Limits(threads=CORES, ahead=False))
    own.send(wire.Typing("somebody", (wire.Turn("user", text),)))
    threads(own)
    assert own.answer(Ask(text, tokens=1)).started.cached_tokens < 40
    own.send(wire.Limits(threads=CORES))
