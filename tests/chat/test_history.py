"""What of a conversation goes to the model: always the question, and as much of the past as leaves room."""

from hypothesis import given
from hypothesis import strategies as st

from bramble.chat.history import History, exchanges
from bramble.chat.records import Message
from bramble.chat.roles import Manner
from bramble.engine.wire import Sampling, Turn

TOKENS = 10


def manner(prompt: str, max_tokens: int) -> Manner:
    return Manner(prompt, Sampling(), max_tokens)


def past(*sizes: int) -> list[tuple[Turn, Turn]]:
    return [
        (Turn("user", f"{n}" + "u" * size), Turn("assistant", "a" * size))
        for n, size in enumerate(sizes)
    ]


def tokens(history: History) -> int:
    return TOKENS + sum(len(turn.content) for turn in history.turns)


def test_the_system_prompt_and_the_question_frame_the_past() -> None:
    roles = [turn.role for turn in History(manner("Be kind.", 100), past(1, 2), "Why?").turns]
    assert roles == ["system", "user", "assistant", "user", "assistant", "user"]
    assert [turn.role for turn in History(manner("", 100), [], "Why?").turns] == ["user"]


def test_a_question_that_got_no_answer_is_left_out() -> None:
    messages = [
        Message(1, "user", "One", "whole"),
        Message(2, "assistant", "", "interrupted"),
        Message(3, "user", "Two", "whole"),
        Message(4, "assistant", "Yes", "stopped"),
        Message(5, "user", "Three", "whole"),
        Message(6, "assistant", "", "writing"),
    ]
    assert exchanges(messages) == [(Turn("user", "Two"), Turn("assistant", "Yes"))]


@given(
    sizes=st.lists(st.integers(0, 400), max_size=30),
    context=st.integers(20, 2000),
    max_tokens=st.integers(1, 2000),
)
def test_it_shrinks_until_it_fits_or_is_bare(
    sizes: list[int], context: int, max_tokens: int
) -> None:
    whole = past(*sizes)
    history = History(manner("System", max_tokens), list(whole), "Question")
    while not history.fits(tokens(history), context):
        assert history.shrink(tokens(history), context)
    kept = history.turns[1:-1]
    assert kept == tuple(turn for pair in whole[history.left_out // 2 :] for turn in pair)
    assert history.turns[0].content == "System"
    assert history.turns[-1].content == "Question"
    if kept:
        assert tokens(history) + min(max_tokens, context // 4) <= context
    assert len(kept) + history.left_out == 2 * len(whole)


def test_a_bare_question_cannot_shrink() -> None:
    history = History(manner("", 100), [], "Question")
    assert history.fits(10**6, 10)
    assert not history.shrink(10**6, 10)
