"""Guesses change how many steps an answer takes, nothing else: the sampler sees the logits it would have seen."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from bramble.engine import candidates, wire
from bramble.engine.batch import Pace, Step
from bramble.engine.context import Context
from bramble.engine.llama import Model
from bramble.engine.sample import Sampler
from bramble.engine.slot import Job, Slot
from bramble.engine.text import TextStream
from tests.engine.rig import Ask, Rig

PROMPT = "The lamp is on the table. The cat is on the chair. The lamp is on the"
GUESSED = " table. The cat is on the chair."
WRONG = " moon and nobody knows"
CLOSE = 1.0
"""Logits of the starter reach from -20 to 30; another shape of batch changes them by some tenths (float order, behind
which activations are rounded to 8 bits): as far as they are from those with cells of 32 bits."""
SEEDS = range(12)


@pytest.fixture(scope="module")
def model(starter: Path) -> Iterator[Model]:
    model = Model(starter, mmap=True, progress=lambda _: None)
    yield model
    model.close()


@pytest.fixture
def context(model: Model) -> Iterator[Context]:
    context = Context(model, size=256, slots=2, batch=64, threads=1, guess_rows=16)
    yield context
    context.close()


def compute(context: Context, tokens: Sequence[int], start: int, outputs: int) -> int:
    """Compute rows of sequence 0; returns the first that has logits."""
    context.clear_rows()
    first = context.add_rows(0, tokens, start, outputs=outputs)
    assert context.decode()
    return first + len(tokens) - outputs


def logits(context: Context, row: int) -> list[float]:
    return list(candidates.logits(candidates.candidates().load(context, row)))


def one_by_one(
    model: Model, context: Context, prompt: list[int], guess: list[int]
) -> list[list[float]]:
    """The logits after the prompt's last token and after each guessed one, a row a step."""
    compute(context, prompt[:-1], 0, 1)
    seen: list[list[float]] = []
    for place, token in enumerate([prompt[-1], *guess], start=len(prompt) - 1):
        seen.append(logits(context, compute(context, [token], place, 1)))
    context.forget(0)
    return seen


def furthest(left: list[float], right: list[float]) -> float:
    return max(abs(a - b) for a, b in zip(left, right, strict=True))


def test_guessed_rows_have_the_logits_of_rows_computed_alone(
    model: Model, context: Context
) -> None:
    prompt, guess = model.tokenize(PROMPT), model.tokenize(GUESSED, goes_on=True)
    alone = one_by_one(model, context, prompt, guess)
    compute(context, prompt[:-1], 0, 1)
    rows = [prompt[-1], *guess]
    first = compute(context, rows, len(prompt) - 1, len(rows))
    for row, expected in enumerate(alone, start=first):
        assert furthest(logits(context, row), expected) < CLOSE


def test_a_wrong_guess_leaves_no_trace(model: Model, context: Context) -> None:
    prompt, right = model.tokenize(PROMPT), model.tokenize(GUESSED, goes_on=True)[:1]
    wrong = model.tokenize(WRONG, goes_on=True)
    *_, expected = one_by_one(model, context, prompt, right)
    compute(context, prompt[:-1], 0, 1)
    compute(context, [prompt[-1], *wrong], len(prompt) - 1, 1 + len(wrong))
    assert context.forget(0, len(prompt))
    row = compute(context, right, len(prompt), 1)
    assert furthest(logits(context, row), expected) < CLOSE


def test_rows_of_one_batch_are_drawn_as_in_steps(model: Model, context: Context) -> None:
    """Seeds belong to positions, so it does not matter how many positions one step had."""
    prompt, guess = model.tokenize(PROMPT), model.tokenize(GUESSED, goes_on=True)
    sampling = wire.Sampling(temperature=1.0)
    rows = [prompt[-1], *guess]
    same = 0
    for seed in SEEDS:
        compute(context, prompt[:-1], 0, 1)
        steps, batch = (Sampler(model, sampling, seed, prompt) for _ in range(2))
        drawn: list[int] = []
        for place, token in enumerate(rows, start=len(prompt) - 1):
            drawn.append(steps.draw(context, compute(context, [token], place, 1)))
        context.forget(0, len(prompt) - 1)
        first = compute(context, rows, len(prompt) - 1, len(rows))
        for row, token in enumerate(drawn, start=first):
            same += batch.draw(context, row) == token
        steps.close()
        batch.close()
        context.forget(0)
    # 94 % where a step of many rows has kernels of its own (AVX-512), 58 % with seeds that have nothing in common.
    assert same >= 0.85 * len(SEEDS) * len(rows), "more than float order can explain"


def test_a_row_beside_three_fills_their_tile(model: Model) -> None:
    context = Context(model, size=256, slots=4, batch=64, threads=1, guess_rows=4)
    pace = Pace(rows_max=64, max_step_ms=250, guess_rows=4)
    pace.learn(decoding=0, prefill=64, ms=64.0)
    slots: list[Slot] = []
    for sequence in range(4):
        tokens = model.tokenize(f"The number {sequence} is the number")
        sampler = Sampler(model, wire.Sampling(temperature=0.0), 1, tokens)
        slots.append(
            Slot(sequence, job=Job(sequence, tokens, len(tokens), 2, sampler, TextStream(())))
        )
    three, reader = slots[:3], slots[3]
    prompts = Step()
    prompts.compose(context, three, pace)
    assert context.decode()
    prompts.settle()
    for output in prompts.outputs:
        job = output.slot.job
        assert job is not None
        job.tokens.append(job.sampler.draw(context, output.row))

    beside = Step()
    beside.compose(context, slots, pace)
    assert (beside.decoding, beside.filled, len(beside.outputs)) == (3, 0, 4)
    assert context.rows == 3 + reader.missing, "the prompt's own last row is the fourth"
    alone = Step()
    alone.compose(context, three, pace)
    assert (alone.decoding, alone.filled, alone.guessed, context.rows) == (3, 0, 0, 3), (
        "one token is left"
    )
    for slot in three:
        if slot.job is not None:
            slot.job.limit = 9
    filled = Step()
    filled.compose(context, three, pace)
    assert (filled.decoding, filled.filled, filled.guessed, context.rows) == (3, 1, 0, 4)
    assert [len(output.guess.tokens) for output in filled.outputs] == [1, 0, 0]
    assert context.decode()
    assert logits(context, 3) != logits(context, 0), "it has logits of its own"
    for slot in slots:
        if slot.job is not None:
            slot.job.sampler.close()
    context.close()


def test_with_and_without_guesses_the_same_seeds_say_the_same(starter: Path) -> None:
    """Each draw is a chance to differ, and after the first that does all do: half of the seeds are a lot."""
    text = f"Repeat this text word for word: {PROMPT} table. The cat is on the chair."
    asks = [Ask(text, tokens=24, temperature=0.7, seed=seed) for seed in SEEDS]
    told: list[list[str]] = []
    steps: list[int] = []
    for draft in (0, 8):
        rig = Rig(starter, draft=draft)
        try:
            rig.answer(asks[0])  # what follows is computed in the same shape
            told.append([rig.answer(ask).text for ask in asks])
            rig.send(wire.Ping(1))
            while not rig.pongs:
                rig.read()
            steps.append(rig.pongs[-1].steps)
        finally:
            rig.close()
    assert steps[1] < steps[0], f"nothing was guessed: {steps}"
    same = sum(a == b for a, b in zip(*told, strict=True))
    assert same >= len(SEEDS) // 2, f"more than float order can explain: {told}"
    assert len(set(told[0])) > 3, "nothing was drawn"
