"""Models that cannot drop the end of a sequence go on from checkpoints, and say what they say from a cold start."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bramble.engine import wire
from bramble.engine.checkpoints import CLOSE, INTERVAL, MOST, Checkpoints, spread
from bramble.engine.extras import Extras
from bramble.engine.survey import Check
from bramble.survey import run
from tests.engine import tiny
from tests.engine.alike import check_alike
from tests.engine.rig import Answer, Ask, Rig

QUESTION = "what does the river do in winter when all of the water is cold?"
OTHER = "name a stone."
CONTEXT, ASIDE = 4096, 64 << 20
NEAR = 48
"""Tokens of a short question and the template around it: what may be computed again besides what is new."""


def wide(path: Path) -> Path:
    """With a cache so large that keeping windows only makes a difference of many megabytes."""
    return tiny.gemma3(path, heads=8, kv_heads=8, head=128)


KINDS: dict[str, Callable[[Path], Path]] = {
    "recurrent": tiny.mamba,
    "hybrid": tiny.lfm2,
    "sliding": tiny.gemma3,
    "windowed": wide,
}


@dataclass
class Pair:
    """Two engines of one model; `cold` keeps nothing after an answer."""

    warm: Rig
    cold: Rig
    kind: str

    def same(self, ask: Ask) -> Answer:
        """The answer of the warm one, which is the cold one's as well."""
        answer, fresh = self.warm.answer(ask), self.cold.answer(ask)
        assert fresh.started.cached_tokens == 0
        check_alike(answer, fresh)
        return answer


@pytest.fixture(scope="module", params=KINDS)
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    kind: str = request.param
    model = KINDS[kind](tmp_path_factory.mktemp("tiny") / f"{kind}.gguf")
    memory = too_little_for_all(model) if kind == "windowed" else 0
    changes = {"aside": ASIDE, "memory": memory}
    warm, cold = (Rig(model, context=CONTEXT, changes=changes) for _ in range(2))
    assert isinstance(warm.first, wire.Ready)
    assert any("keep no more" in note for note in warm.first.notes) == (kind == "windowed")
    cold.send(wire.Limits(threads=2, idle=False, aside=0.0))
    yield Pair(warm, cold, kind)
    assert warm.close() == cold.close() == 0


def too_little_for_all(model: Path) -> int:
    order = wire.Load(str(model), CONTEXT, 4, 0, 256, 250, 8)
    plan = run(Check(order), spin=1000)
    return plan.needed - plan.kv // 4


def system(name: str) -> str:
    """Each test has one of its own, so that it finds nothing of the others'."""
    return f"{name}: be kind, and answer everybody in a few plain words. " * 3


def asked(
    text: str, name: str = "", *, before: tuple[wire.Turn, ...] = (), tokens: int = 40
) -> Ask:
    return Ask(text, system(name) if name else "", before, tokens, extras=Extras(logprobs=5))


def turns(*texts: str) -> tuple[wire.Turn, ...]:
    roles = ("user", "assistant")
    return tuple(wire.Turn(roles[n % 2], text) for n, text in enumerate(texts))


def test_another_answer_to_the_same_question(pair: Pair) -> None:
    ask = asked(QUESTION, "again")
    size = pair.same(ask).started.prompt_tokens
    assert pair.same(ask).started.cached_tokens >= size - CLOSE


def test_another_question_in_its_place(pair: Pair) -> None:
    size = pair.same(asked(QUESTION, "edit")).started.prompt_tokens
    edited = pair.same(asked(OTHER, "edit"))
    assert edited.started.cached_tokens >= size - len(QUESTION) - NEAR


def test_the_next_turns(pair: Pair) -> None:
    """The answer's text does not become the same tokens again: half characters are in it."""
    first = pair.same(asked(QUESTION, "next"))
    second = pair.same(asked(OTHER, "next", before=turns(QUESTION, first.text)))
    assert second.started.cached_tokens >= first.started.prompt_tokens - NEAR
    before = turns(QUESTION, first.text, OTHER, second.text)
    third = pair.same(asked(QUESTION, "next", before=before))
    assert third.started.cached_tokens >= second.started.prompt_tokens - NEAR
    # And another conversation, or back to the first question.
    other = pair.same(asked("what is red?", "next"))
    assert other.started.cached_tokens >= first.started.prompt_tokens - len(QUESTION) - NEAR


def test_somebody_else_with_the_same_system_prompt_while_the_first_is_answered(pair: Pair) -> None:
    long, short = asked(QUESTION, "both", tokens=300), asked(OTHER, "both")
    running = pair.warm.ask(long)
    pair.warm.wait_for_text(running)
    beside = pair.warm.answer(short)
    (first,) = pair.warm.wait(running)
    assert beside.started.cached_tokens >= first.started.prompt_tokens - len(QUESTION) - NEAR
    check_alike(beside, pair.cold.answer(short))
    check_alike(first, pair.cold.answer(long))


def test_several_answers_to_one_question_at_once(pair: Pair) -> None:
    ask = asked(QUESTION, "several", tokens=100)
    running = pair.warm.ask(ask)
    pair.warm.wait_for_text(running)
    answers = pair.warm.wait(running, *(pair.warm.ask(ask) for _ in range(3)))
    for answer in answers[1:]:
        assert answer.started.cached_tokens >= answer.started.prompt_tokens - CLOSE
    fresh = pair.cold.answer(ask)
    for answer in answers:
        check_alike(answer, fresh)


def test_what_is_typed_is_read_ahead_and_may_be_changed(pair: Pair) -> None:
    before = turns(QUESTION, "it sleeps.")
    draft = "and tell me of the harbour: who lives there, and why do they stay all year"
    for words in (draft[:30], draft[:50], draft[:44] + " in it", draft):
        type_ahead(pair.warm, before, words)
    answer = pair.same(asked(draft + "?", before=before))
    assert answer.started.cached_tokens >= answer.started.prompt_tokens - NEAR


def type_ahead(rig: Rig, before: tuple[wire.Turn, ...], words: str) -> None:
    """Until it is read: between two pongs the engine takes at least one step."""
    rig.send(wire.Typing("somebody", (*before, wire.Turn("user", words))))
    for n in range(20):
        rig.send(wire.Ping(n))
        while not rig.pongs or rig.pongs[-1].n != n:
            rig.read()
    rig.pongs.clear()


def test_who_comes_back_after_more_people_than_there_are_slots(pair: Pair) -> None:
    asks = [asked(f"{n} {QUESTION}", f"person {n}", tokens=8) for n in range(6)]
    sizes = [pair.warm.answer(ask).started.prompt_tokens for ask in asks]
    for ask, size in zip(asks, sizes, strict=True):
        assert pair.same(ask).started.cached_tokens >= size - CLOSE


def test_a_long_prompt_that_differs_at_its_end(pair: Pair) -> None:
    story = " ".join(f"house {n} has a door." for n in range(90))
    size = pair.same(asked(story + "who?", "story", tokens=8)).started.prompt_tokens
    other = pair.same(asked(story + "why is it so?", "story", tokens=8))
    assert other.started.cached_tokens >= INTERVAL
    assert size > INTERVAL


def test_guesses_that_fail_leave_no_trace(pair: Pair) -> None:
    """Random weights soon repeat themselves: there is a lot to guess, and some of it is wrong."""
    words = "one two three four five six. " * 6
    for text in (words, words + "seven"):
        pair.same(asked(text, f"{len(text)}", tokens=400))


def test_without_bytes_for_it_nothing_is_kept(pair: Pair) -> None:
    pair.warm.send(wire.Limits(threads=2, aside=0.0))
    ask = asked(QUESTION, "nothing")
    pair.same(ask)
    again = pair.same(ask)
    pair.warm.send(wire.Limits(threads=2))
    if pair.kind in ("recurrent", "hybrid"):
        assert again.started.cached_tokens == 0


# ── what is kept ─────────────────────────────────────────────────────────────────────────────────

tokens = st.lists(st.integers(0, 2), min_size=1, max_size=8)


@given(st.lists(st.tuples(tokens, st.integers(1, 70)), max_size=20), tokens)
def test_bytes_are_never_exceeded_and_the_longest_is_found(
    puts: list[tuple[list[int], int]], wanted: list[int]
) -> None:
    checkpoints, kept = Checkpoints(100), list[list[int]]()
    for each, size in puts:
        if checkpoints.holds(size) and not checkpoints.knows(each):
            checkpoints.put(each, bytearray(size))
            kept.append(each)
        assert checkpoints.size <= 100
    found = checkpoints.best(wanted, len(wanted) - 1)
    there = [each for each in kept if checkpoints.knows(each) and wanted[: len(each)] == each]
    longest = max((len(each) for each in there if len(each) < len(wanted)), default=0)
    assert (len(found.tokens) if found else 0) == longest


def test_what_saves_most_stays_and_what_is_old_goes() -> None:
    checkpoints = Checkpoints(3)
    system, question, answer = [1] * 100, [1] * 110, [1] * 300
    for each in (system, question, answer):
        checkpoints.put(each, bytearray(1))
    checkpoints.put([2] * 50, bytearray(1))
    assert not checkpoints.knows(question)
    assert checkpoints.knows(system)
    for number in range(3, 20):
        checkpoints.put([number] * 200, bytearray(1))
    assert not checkpoints.knows(answer)


def test_their_number_is_bounded() -> None:
    checkpoints = Checkpoints(1 << 20)
    for number in range(MOST + 10):
        checkpoints.put([number], bytearray(1))
    assert checkpoints.size == MOST


@given(st.lists(st.integers(-5, 5000), max_size=4), st.integers(1, 5000))
def test_marks_are_inside_apart_and_never_far_between(places: list[int], size: int) -> None:
    marks = spread([*places, size - 1], size)
    assert all(0 < mark < size for mark in marks)
    steps = [after - mark for mark, after in zip([0, *marks], [*marks, size], strict=True)]
    assert all(step >= CLOSE for step in steps[1:-1])
    assert all(step <= INTERVAL + CLOSE for step in steps)
