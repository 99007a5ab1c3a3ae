"""A conversation that became too long: its beginning goes, what follows moves down and is not computed again."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bramble.engine import wire
from bramble.engine.extras import Extras
from bramble.engine.shift import ANCHOR, LEAST_GAIN, find
from tests.engine import tiny
from tests.engine.alike import check_alike
from tests.engine.rig import Answer, Ask, Rig

SYSTEM = "be kind, and answer everybody in a few plain words."
EXCHANGE = 130
"""Tokens of one exchange, at most: a letter is one, and ChatML comes to them."""


def exchanges(*numbers: int) -> tuple[wire.Turn, ...]:
    return tuple(
        turn
        for n in numbers
        for turn in (
            wire.Turn("user", f"{n}. what lies in the river at stone {n}?"),
            wire.Turn("assistant", f"there are {n} grey ones."),
        )
    )


def ask(text: str, before: tuple[wire.Turn, ...], tokens: int = 24, name: str = "one") -> Ask:
    return Ask(text, SYSTEM, before, tokens, extras=Extras(logprobs=5), conversation=name)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With one layer a key depends on its token and place alone: moved cells are as good as computed ones."""
    return tiny.llama(tmp_path_factory.mktemp("tiny") / "tiny.gguf", layers=1, context=2048)


@pytest.fixture
def rig(model: Path) -> Iterator[Rig]:
    rig = Rig(model, context=1024, changes={"aside": 8 << 20})
    yield rig
    assert rig.close() == 0


@pytest.fixture(scope="module")
def cold(model: Path) -> Iterator[Rig]:
    rig = Rig(model, context=1024)
    rig.send(wire.Limits(threads=2, idle=False))
    yield rig
    assert rig.close() == 0


def check_moved(answer: Answer, fresh: Answer) -> None:
    assert fresh.started.cached_tokens == 0
    assert answer.started.cached_tokens >= answer.started.prompt_tokens - EXCHANGE
    check_alike(answer, fresh)


def test_only_what_is_new_is_computed_and_all_is_where_it_belongs(rig: Rig, cold: Rig) -> None:
    said = exchanges(*range(5))
    first = rig.answer(ask("and five?", said))
    said += (wire.Turn("user", "and five?"), wire.Turn("assistant", "five."))
    for left_out in (2, 4):
        later = ask("and six?", said[left_out:])
        check_moved(rig.answer(later), cold.answer(later))
    assert first.started.cached_tokens == 0


def test_again_and_again(rig: Rig, cold: Rig) -> None:
    """Each time one exchange goes and one comes, and turned keys are turned again."""
    said = exchanges(*range(5))
    rig.answer(ask("hello", said))
    for n in range(5, 12):
        said = (*said[2:], *exchanges(n))
        later = ask(f"and {n}?", said)
        answer = rig.answer(later)
        assert answer.started.cached_tokens >= answer.started.prompt_tokens - 2 * EXCHANGE
        check_alike(answer, cold.answer(later))


def test_what_others_share_does_not_move_under_them(rig: Rig, cold: Rig) -> None:
    """Three answers run from the same long conversation while a fourth leaves its beginning out."""
    said = exchanges(*range(3))
    running = [rig.ask(ask("tell me all", said, 60))]
    rig.wait_for_text(running[0])
    running += [rig.ask(ask("tell me all", said, 60)) for _ in range(2)]
    rig.wait_for_text(running[-1])
    shorter = ask("and six?", said[2:])
    fresh = cold.answer(ask("tell me all", said, 60))
    check_alike(rig.answer(shorter), cold.answer(shorter))
    for answer in rig.wait(*running):
        check_alike(answer, fresh)
    assert cold.answer(shorter).text == rig.answer(shorter).text


def test_another_version_of_the_same_conversation_is_no_hindrance(rig: Rig, cold: Rig) -> None:
    said = exchanges(*range(4))
    for text in ("who?", "why?", "and where do all of them come from in the end?"):
        rig.answer(ask(text, said))
    said += (wire.Turn("user", "who?"), wire.Turn("assistant", "you."))
    later = ask("and six?", said[2:])
    answer = rig.answer(later)
    assert answer.started.cached_tokens >= answer.started.prompt_tokens - 2 * EXCHANGE
    check_alike(answer, cold.answer(later))


def test_one_that_was_set_aside_is_brought_back_for_it(rig: Rig, cold: Rig) -> None:
    said = exchanges(*range(5))
    rig.answer(ask("hello", said))
    for n in range(4):
        rig.answer(Ask(f"{n} " + "something else that is long " * 14, tokens=2))
    later = ask("hello", said[2:])
    check_moved(rig.answer(later), cold.answer(later))


def test_nobody_gets_what_was_computed_in_another_conversation(rig: Rig, cold: Rig) -> None:
    """What follows a gap was computed with knowledge of what was there: that is between those two."""
    said = exchanges(*range(5))
    for name, left_out in (("other", 2), ("", 4)):
        rig.answer(ask("hello", said, name=name))
        later = ask("hello", said[left_out:], name=name and "one")
        answer = rig.answer(later)
        assert answer.started.cached_tokens < 2 * EXCHANGE
        check_alike(answer, cold.answer(later))


def test_a_model_that_cannot_move_cells_reads_again(tmp_path: Path) -> None:
    recurrent = tiny.mamba(tmp_path / "tiny.gguf")
    warm, cold = (Rig(recurrent, context=1024, changes={"aside": 8 << 20}) for _ in range(2))
    try:
        cold.send(wire.Limits(threads=2, idle=False, aside=0.0))
        said = exchanges(*range(5))
        warm.answer(ask("hello", said))
        later = ask("hello", said[2:])
        answer = warm.answer(later)
        assert answer.started.cached_tokens < answer.started.prompt_tokens // 2
        check_alike(answer, cold.answer(later))
    finally:
        assert warm.close() == cold.close() == 0


words = st.lists(st.integers(0, 3), min_size=0, max_size=60)


@given(
    head=words, gone=words, kept=st.lists(st.integers(0, 3), max_size=200), new=words, rest=words
)
def test_a_gap_is_what_it_says(
    head: list[int], gone: list[int], kept: list[int], new: list[int], rest: list[int]
) -> None:
    held, tokens = [*head, *gone, *kept, *rest], [*head, *kept, *new, 9]
    gap = find(held, tokens)
    if gap is not None:
        without = held[: gap.start] + held[gap.end :]
        assert without[: gap.size] == tokens[: gap.size]
        assert held[gap.end : gap.used] == tokens[gap.start : gap.size]
        assert gap.size < len(tokens)
        assert gap.size - gap.start >= LEAST_GAIN
        assert gap.end > gap.start


@given(
    head=words,
    gone=st.lists(st.integers(4, 7), min_size=1, max_size=40),
    kept=st.permutations(range(10, 110)),
)
def test_a_gap_is_found(head: list[int], gone: list[int], kept: list[int]) -> None:
    gap = find([*head, *gone, *kept], [*head, *kept, 9])
    assert gap is not None
    assert (gap.end - gap.start, gap.size) == (len(gone), len(head) + len(kept))
    assert find([*head, *kept], [*head, *kept, 9]) is None
    assert find([*head, *gone, *kept[:ANCHOR]], [*head, *kept, 9]) is None
