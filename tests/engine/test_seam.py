"""Answers that go on where another engine stopped: nothing lost, nothing doubled, nothing read anew."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from bramble.engine import wire
from bramble.engine.extras import Extras, Said, Schema
from bramble.engine.text import TextStream
from tests.engine import tiny
from tests.engine.rig import Answer, Ask, Rig

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 12}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
BABBLE = Ask("Tell me.", tokens=48, temperature=1.2, seed=4, extras=Extras(logprobs=0))
"""Random bytes from the tiny model: half characters, and such as never become whole."""

TIE = 1.0
"""Nats by which rounding may turn what comes next, as in `tests/faults/engine_kill`."""


@pytest.fixture(scope="module")
def babbler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    rig = Rig(tiny.llama(tmp_path_factory.mktemp("seam") / "babbler.gguf"), context=512, draft=0)
    yield rig
    assert rig.close() == 0


def rest(rig: Rig, ask: Ask, said: Said) -> Answer:
    return rig.answer(replace(ask, said=said))


@pytest.mark.parametrize(
    "ask",
    [
        BABBLE,
        replace(BABBLE, stop=("zzz", "\ufffd\ufffd\ufffd\ufffdq", "你好"), seed=16),
        replace(BABBLE, penalty=1.5, seed=7),
        replace(BABBLE, extras=Extras(logprobs=2), seed=8),
    ],
    ids=["plain", "stops", "penalty", "logprobs"],
)
def test_an_answer_may_break_off_behind_every_token(babbler: Rig, ask: Ask) -> None:
    whole = babbler.answer(ask)
    ids, drawn = whole.said(99).tokens, [one for piece in whole.pieces for one in piece.drawn]
    assert len(ids) == len(drawn) == whole.done.completion_tokens == ask.tokens
    stream, shown, same = TextStream(ask.stop), "", 0
    for cut in range(1, ask.tokens):
        shown += stream.feed(drawn[cut - 1].token)
        more = rest(babbler, ask, Said(tokens=ids[:cut]))
        same += shown + more.text == whole.text and ids[:cut] + more.said(99).tokens == ids
        assert more.done.prompt_tokens == whole.done.prompt_tokens
        told = [one for piece in more.pieces for one in piece.drawn]
        assert len(told) <= len(more.said(99).tokens) <= ask.tokens - cut
    assert (
        same >= 0.8 * ask.tokens
    )  # float order: a draw at the edge of two tokens may fall to the other


def test_an_answer_that_was_cut_goes_on_behind_what_its_end_told(babbler: Rig) -> None:
    ask = replace(BABBLE, stop=("zzz", "\ufffd\ufffd\ufffd\ufffdq"), seed=6)
    whole = babbler.answer(ask)
    same = 0
    for tokens in range(1, ask.tokens):
        first = babbler.answer(replace(ask, tokens=tokens))
        more = rest(babbler, ask, first.said(99))
        same += more.text == whole.text[len(first.text) :]
    assert same >= 0.8 * ask.tokens


def test_what_was_said_counts_for_the_longest_answer(babbler: Rig) -> None:
    whole = babbler.answer(BABBLE)
    over = rest(babbler, BABBLE, whole.said(99))
    assert (over.text, over.done.reason) == ("", "length")
    assert over.done.completion_tokens == BABBLE.tokens


def test_json_goes_on_in_the_middle_of_a_word(own: Rig) -> None:
    extras = Extras(schema=Schema(json.dumps(PERSON), strict=True), logprobs=0)
    ask = Ask("Invent a person.", tokens=60, temperature=0.8, seed=3, extras=extras)
    whole = own.answer(ask)
    assert json.loads(whole.text)
    ids = whole.said(99).tokens
    drawn = [one.token for piece in whole.pieces for one in piece.drawn]
    for cut in range(1, len(drawn), 3):
        text = b"".join(drawn[:cut]).decode() + rest(own, ask, Said(tokens=ids[:cut])).text
        assert json.loads(text).keys() == {"name", "age"}
    assert rest(own, ask, whole.said(99)).text == ""
    wrong = rest(own, ask, Said(text="No JSON"))
    assert isinstance(wrong.end, wire.Refused)
    assert "schema" in wrong.end.message


def test_the_rest_is_what_the_model_says_after_these_tokens(own: Rig) -> None:
    """With guesses on, and a seam wherever a piece was told."""
    ask = Ask("Write these words again and again: red green blue.", tokens=64)
    whole = own.answer(ask)
    assert all(piece.ids for piece in whole.pieces[:-1])
    ids = whole.said(99).tokens
    for cut in range(1, len(whole.pieces), 2):
        said = whole.said(cut)
        again = rest(own, ask, said)
        other = (*said.tokens, *again.said(99).tokens)
        parts = next(
            (n for n, (one, two) in enumerate(zip(ids, other, strict=False)) if one != two), None
        )
        if parts is None:
            assert whole.text[: said.shown] + again.text == whole.text
        else:
            assert undecided(own, ask, ids[:parts]) < TIE


def undecided(rig: Rig, ask: Ask, before: tuple[int, ...]) -> float:
    """By how many nats the likeliest token leads behind these: another order of sums may turn what is close."""
    wanted = replace(ask, tokens=len(before) + 1, extras=Extras(logprobs=2))
    drawn = [one for piece in rest(rig, wanted, Said(tokens=before)).pieces for one in piece.drawn]
    first, second = sorted((each.logprob for each in drawn[0].top), reverse=True)[:2]
    return first - second


@pytest.mark.parametrize("text", ["Once upon", " a", "你好，世界", "<|im_end|>", "\n"])
def test_text_goes_on_without_its_tokens(own: Rig, babbler: Rig, text: str) -> None:
    for engine in (own, babbler):
        ask = Ask("Tell me a story.", tokens=24, said=Said(text=text))
        answer = engine.answer(ask)
        seen = answer.done.completion_tokens - len(answer.said(99).tokens)
        assert 1 <= seen <= len(text.encode()) + 1
        assert answer.done.completion_tokens <= 24
        said = answer.said(2)
        more = engine.answer(replace(ask, said=Said(text, said.tokens, said.shown)))
        assert more.done.prompt_tokens == answer.done.prompt_tokens
        assert more.done.completion_tokens <= 24


def test_a_token_that_the_model_has_not_is_refused(own: Rig) -> None:
    answer = own.answer(Ask("Hi", said=Said(tokens=(1 << 30,))))
    assert isinstance(answer.end, wire.Refused)
