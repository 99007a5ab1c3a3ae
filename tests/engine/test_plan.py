"""The plan before load: what it predicts against what a real engine takes, and the ladder when memory is short."""

import os
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from bramble.config import EngineSettings
from bramble.engine import wire
from bramble.engine.memory import available, budget
from bramble.engine.plan import Rung, rungs
from bramble.engine.survey import Check, Plan
from bramble.engine.weights import bytes_per_token
from bramble.survey import run
from tests.engine import tiny
from tests.engine.rig import Ask, Rig

STORY = "The old lighthouse keeper wrote a letter every evening. "
LARGER = os.environ.get("BRAMBLE_LARGER_MODEL", "")


def order(model: Path, **changes: object) -> wire.Load:
    load = wire.Load(str(model), 4096, 4, 0, 256, 250, 8)
    return msgspec.structs.replace(load, **changes)


def planned(model: Path, **changes: object) -> Plan:
    return run(Check(order(model, **changes)), spin=1000)


def peak(rig: Rig) -> int:
    status = Path(f"/proc/{rig.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))


@pytest.mark.parametrize("context", [1024, 4096])
def test_the_prediction_is_what_a_real_engine_takes(starter: Path, context: int) -> None:
    hold_to_the_prediction(starter, context)


@pytest.mark.slow
@pytest.mark.skipif(not LARGER, reason="BRAMBLE_LARGER_MODEL names no file")
@pytest.mark.parametrize("context", [1024, 4096, 8192])
@pytest.mark.timeout(600)
def test_the_prediction_for_a_larger_model(context: int) -> None:
    hold_to_the_prediction(Path(LARGER), context)


def hold_to_the_prediction(model: Path, context: int) -> None:
    """Once its cache is full, in steps as they are by default: cells that were never used take no memory."""
    batch = EngineSettings().batch
    plan = planned(model, context=context, batch=batch)
    rig = Rig(model, context=context, changes={"batch": batch})
    some, more = (rig.answer(Ask(STORY * n, tokens=4)).done.prompt_tokens for n in (10, 20))
    full = rig.answer(Ask(STORY * ((context - 80) * 10 // (more - some)), tokens=8)).done
    assert full.prompt_tokens > 0.9 * context
    rig.wait(*(rig.ask(Ask(f"Name {n} birds.", temperature=0.8, tokens=24)) for n in range(4)))
    taken = peak(rig)
    rig.close()
    assert plan.fits
    assert plan.peak == pytest.approx(taken, rel=0.1)


def test_parts_add_up(starter: Path) -> None:
    plan = planned(starter)
    parts = plan.weights + plan.kv + plan.compute + plan.process
    assert plan.peak == pytest.approx(parts, abs=1)
    assert 0.95 < plan.weights / starter.stat().st_size < 1
    assert planned(starter, context=8192).kv == 2 * plan.kv


def test_a_shorter_context_where_the_whole_does_not_fit(starter: Path) -> None:
    whole, half = (planned(starter, context=context, batch=32) for context in (4096, 2048))
    room = (whole.needed + half.needed) // 2
    rig = Rig(starter, context=4096, changes={"memory": room})
    ready = rig.first
    assert isinstance(ready, wire.Ready)
    assert 2048 <= ready.context < 4096
    assert f"The context is {ready.context} tokens instead of 4096." in ready.notes
    assert rig.answer(Ask("Hello!", tokens=4)).text
    assert peak(rig) <= room
    rig.close()


def test_smaller_steps_come_before_a_shorter_context(starter: Path) -> None:
    """Large steps need a larger work area, and people lose nothing but a little speed."""
    small, large = (planned(starter, batch=batch) for batch in (32, 128))
    assert small.compute < large.compute
    room = (small.needed + large.needed) // 2
    rig = Rig(starter, context=4096, changes={"memory": room, "batch": 128})
    ready = rig.first
    assert isinstance(ready, wire.Ready)
    assert ready.context == 4096
    assert "Prompts are read 32 tokens at a time instead of 128." in ready.notes
    assert rig.answer(Ask(STORY * 60, tokens=4)).text
    rig.close()


def test_sliding_layers_keep_only_their_window_before_the_context_is_shortened(
    tmp_path: Path,
) -> None:
    model = tiny.gemma3(tmp_path / "tiny.gguf", heads=8, kv_heads=8, head=128)
    whole = planned(model, context=4096)
    rig = Rig(model, context=4096, changes={"memory": whole.needed - whole.kv // 4})
    try:
        ready = rig.first
        assert isinstance(ready, wire.Ready)
        assert ready.context == 4096
        assert any("keep no more than that" in note for note in ready.notes)
    finally:
        rig.close()


def test_fewer_slots_come_last(starter: Path) -> None:
    room = planned(starter, context=512, slots=2, batch=32).needed + 1_000_000
    rig = Rig(starter, context=4096, slots=16, changes={"memory": room})
    ready = rig.first
    assert isinstance(ready, wire.Ready)
    assert ready.context == 512
    assert ready.slots in (1, 2, 4)
    assert any("at once instead of 16" in note for note in ready.notes)
    rig.close()


def test_what_does_not_fit_is_refused_with_numbers_and_a_model_that_would(starter: Path) -> None:
    others = (wire.Alternative("tiny", 1_000_000), wire.Alternative("huge", 10**12))
    rig = Rig(starter, changes={"memory": 150_000_000, "alternatives": others})
    refusal = rig.first
    assert isinstance(refusal, wire.Unusable)
    assert "even with 512 tokens of context and one answer at once" in refusal.message
    assert "150 MB are there" in refusal.message
    assert refusal.hint == "tiny (1 MB) would fit: set engine.model to it."
    rig.close()


def test_the_ladder() -> None:
    steps = list(rungs(order(Path("m"), context=2048, slots=3), repacks=True))
    assert steps[0] == Rung(repack=True, context=2048, slots=3, batch=256)
    assert steps[1] == Rung(repack=True, context=2048, slots=3, batch=32)
    assert steps[2] == Rung(repack=False, context=2048, slots=3, batch=256)
    assert steps[-1] == Rung(repack=False, context=512, slots=1, batch=32)
    for better, worse in pairwise(steps):
        assert _rank(better) > _rank(worse)
    assert not any(step.repack for step in rungs(order(Path("m")), repacks=False))


def _rank(step: Rung) -> tuple[int, ...]:
    return step.slots, step.context, step.repack, step.batch


def test_a_context_below_the_smallest_is_tried_as_it_is() -> None:
    steps = list(rungs(order(Path("m"), context=300, slots=1), repacks=False))
    assert steps == [Rung(repack=False, context=300, slots=1, batch=batch) for batch in (256, 32)]


def test_which_weights_a_token_reads() -> None:
    held = {
        "token_embd.weight": 1000,
        "blk.0.attn_q.weight": 300,
        "blk.0.ffn_up_exps.weight": 800,
    }
    assert bytes_per_token(held, experts=8, experts_used=2) == 1000 + 300 + 200
    untied = held | {"output.weight": 2000}
    assert bytes_per_token(untied, experts=0, experts_used=0) == 300 + 800 + 2000


def test_the_budget_leaves_a_reserve() -> None:
    assert (
        0 < budget() <= available() - 64_000_000 + 50_000_000
    )  # others may take or give meanwhile
