"""What of a conversation goes to the model: always the question, and as much of the past as leaves room."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from bramble.chat.history import KEPT, Exchange, History, exchanges, recalled
from bramble.chat.records import Message
from bramble.chat.roles import Manner
from bramble.engine.wire import Sampling, Turn

TOKENS = 10


def manner(prompt: str, max_tokens: int) -> Manner:
    return Manner(prompt, Sampling(), max_tokens)


def past(*sizes: int) -> list[Exchange]:
    """The first one was said by message 1, the next by message 3 …"""
    return [
        Exchange(Turn("user", f"{n}" + "u" * size), Turn("assistant", "a" * size), 2 * n + 1)
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
    assert exchanges(messages) == [Exchange(Turn("user", "Two"), Turn("assistant", "Yes"), 3)]


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
    assert kept == tuple(turn for pair in whole[history.left_out // 2 :] for turn in pair[:2])
    assert history.turns[0].content == "System"
    assert history.turns[-1].content == "Question"
    if kept:
        assert tokens(history) + min(max_tokens, context // 4) <= context
    assert len(kept) + history.left_out == 2 * len(whole)


def test_a_bare_question_cannot_shrink() -> None:
    history = History(manner("", 100), [], "Question")
    assert history.fits(10**6, 10)
    assert not history.shrink(10**6, 10)


def test_what_was_left_out_stays_out_for_many_turns() -> None:
    """Forty turns: the beginning changes now and then, never twice within three."""
    context, answer, who = 1000, 40, manner("System", 40)
    messages: list[Message] = []
    changes, since = list[int](), 0
    for turn in range(40):
        history = recalled(who, messages, "q" * 30, asked=2 * turn + 1)
        history.foresee(context)
        assert history.fits(tokens(history), context)
        assert history.left_out == 2 * turn - len(history.turns) + 2
        if history.since != since:
            changes.append(turn)
            since = history.since
        size = tokens(history) + answer
        messages.append(Message(2 * turn + 1, "user", "q" * 30, "whole"))
        reply = Message(2 * turn + 2, "assistant", "a" * answer, "whole", since=since, tokens=size)
        messages.append(reply)
    assert 3 < len(changes) < 10
    assert all(later - earlier >= 3 for earlier, later in pairwise(changes))


def test_another_answer_is_given_from_what_the_first_was() -> None:
    messages = [
        Message(n, "user" if n % 2 else "assistant", "t" * 40, "whole") for n in range(1, 9)
    ]
    place = Message(10, "assistant", "", "writing", [9, 10], since=5)
    history = recalled(manner("System", 100), messages, "q", asked=9, reply=place)
    assert (history.since, history.left_out) == (5, 4)


def test_nothing_is_left_out_that_fits() -> None:
    history = History(manner("System", 100), past(50, 50), "Why?", tokens=300)
    history.foresee(500)
    assert (history.since, history.left_out) == (0, 0)
    history.foresee(350)
    assert history.left_out == 2
    assert tokens(history) <= KEPT * 350


def test_a_larger_context_takes_back_what_was_left_out() -> None:
    def history() -> History:
        return History(manner("System", 10), past(50, 50, 50), "Why?", since=5, tokens=110)

    same, larger = history(), history()
    same.foresee(200)
    larger.foresee(1000)
    assert (same.left_out, larger.left_out) == (4, 0)
