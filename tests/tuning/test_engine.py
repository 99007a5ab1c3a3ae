"""What the engine processes do for tuning: looking at a file, making another, measuring what was lost. All real."""

import math
import struct
from pathlib import Path

import pytest
from gguf import GGMLQuantizationType as Type

from bramble.engine import tasks
from bramble.tuning import child
from bramble.tuning.child import CannotTune
from tests.tuning.tiny import Head, keys, tensor_types, write_model

TEXT = "The kettle had been repaired twice. 柿子树比屋檐还高。\n" * 4
VOCABULARY = 264


def order(wish: tasks.Order) -> tasks.Outcome:
    """The outcome; its progress only ever grows."""
    told: list[float] = []
    outcome = child.run(wish, told.append)
    assert told == sorted(told) and all(0 <= each <= 1 for each in told)
    return outcome


def inspect(model: Path) -> tasks.Inspected:
    outcome = order(tasks.Inspect(str(model), ("IQ4_NL", "IQ4_NL+Q4_1")))
    assert isinstance(outcome, tasks.Inspected)
    return outcome


def quantize(model: Path, target: Path, *, drop: str = "", to: str = "IQ4_NL") -> tasks.Quantized:
    scratch = target.with_suffix(".scratch")
    outcome = order(tasks.Quantize(str(model), str(target), str(scratch), to, drop))
    assert isinstance(outcome, tasks.Quantized)
    assert not scratch.exists()
    return outcome


@pytest.fixture
def text(tmp_path: Path) -> str:
    file = tmp_path / "text.txt"
    file.write_text(TEXT, encoding="utf-8")
    return str(file)


def record(model: Path, text: str, logits: Path) -> int:
    outcome = order(tasks.Record(str(model), (text,), str(logits)))
    assert isinstance(outcome, tasks.Recorded)
    return outcome.positions


def compare(model: Path, text: str, logits: Path) -> tasks.Compared:
    outcome = order(tasks.Compare(str(model), (text,), str(logits)))
    assert isinstance(outcome, tasks.Compared)
    return outcome


@pytest.mark.parametrize(
    ("head", "drop"),
    [
        (Head.NONE, ""),
        (Head.SAME, "output.weight"),
        (Head.FINER, "token_embd.weight"),
        (Head.OTHER, ""),
    ],
)
def test_an_embedding_that_is_there_twice_is_found(tmp_path: Path, head: Head, drop: str) -> None:
    found = inspect(write_model(tmp_path / "tiny.gguf", head=head))
    assert found.drop == drop
    assert bool(found.dropped) == bool(drop)
    assert found.vocabulary == VOCABULARY


@pytest.mark.parametrize("head", [Head.NONE, Head.SAME, Head.FINER, Head.OTHER])
@pytest.mark.parametrize("to", ["IQ4_NL", "IQ4_NL+Q4_1"])
def test_the_size_is_foretold_and_everything_else_kept(tmp_path: Path, head: Head, to: str) -> None:
    source, target = write_model(tmp_path / "a.gguf", head=head), tmp_path / "b.gguf"
    found = inspect(source)
    assert quantize(source, target, drop=found.drop, to=to).dropped == bool(found.drop)
    after = inspect(target)
    assert sum(after.bytes_by_type.values()) == pytest.approx(found.sizes[to], abs=0.02 * 2**20)
    kept = tensor_types(source).keys() - ({"output.weight"} if found.drop else set())
    assert tensor_types(target).keys() == kept
    assert tensor_types(target)["token_embd.weight"] == to.rpartition("+")[2]
    added = {"general.file_type", "general.quantization_version"}
    before = {k: v for k, v in keys(source).items() if not k.startswith("GGUF.") and k not in added}
    assert before.items() <= keys(target).items()


@pytest.mark.parametrize("head", [Head.SAME, Head.FINER])
def test_without_the_duplicate_it_says_the_same(tmp_path: Path, head: Head, text: str) -> None:
    source = write_model(tmp_path / "tiny.gguf", head=head)
    both, one, logits = tmp_path / "both.gguf", tmp_path / "one.gguf", tmp_path / "logits"
    quantize(source, both)
    quantize(source, one, drop=inspect(source).drop)
    assert one.stat().st_size < both.stat().st_size
    # The finer of the two takes both places, so it is nearer to what both were made from.
    record(write_model(tmp_path / "truth.gguf"), text, logits)
    assert compare(one, text, logits).mean_kl <= compare(both, text, logits).mean_kl + 1e-5
    if head is Head.SAME:
        record(both, text, logits)
        assert compare(one, text, logits).mean_kl < 1e-5


def test_the_loss_is_what_the_definition_says(tmp_path: Path, text: str) -> None:
    source, smaller = write_model(tmp_path / "tiny.gguf"), tmp_path / "smaller.gguf"
    quantize(source, smaller)
    one, other = tmp_path / "one", tmp_path / "other"
    positions = record(source, text, one)
    assert record(smaller, text, other) == positions > 100
    found = compare(smaller, text, one)
    pairs = list(zip(rows(one), rows(other), strict=True))
    assert len(pairs) == positions
    expected = sum(divergence(p, q) for (p, _), (q, _) in pairs) / positions
    assert found.mean_kl == pytest.approx(expected, rel=1e-2)
    assert found.same_top == sum(p == q for (_, p), (_, q) in pairs) / positions
    assert 0 < found.mean_kl < 0.5


def rows(logits: Path) -> list[tuple[tuple[float, ...], int]]:
    """What `Record` keeps, read by the book: the logits and the likeliest token of each position."""
    size, data = tasks.row_bytes(VOCABULARY), logits.read_bytes()
    parts = [
        struct.unpack(f"={VOCABULARY}ei", data[i : i + size]) for i in range(0, len(data), size)
    ]
    return [(part[:-1], part[-1]) for part in parts]


def divergence(p: tuple[float, ...], q: tuple[float, ...]) -> float:
    log_p, log_q = normalized(p), normalized(q)
    return sum(math.exp(a) * (a - b) for a, b in zip(log_p, log_q, strict=True))


def normalized(logits: tuple[float, ...]) -> list[float]:
    total = math.log(math.fsum(math.exp(each) for each in logits))
    return [each - total for each in logits]


def test_a_model_has_lost_nothing_against_itself(starter: Path, tmp_path: Path, text: str) -> None:
    logits = tmp_path / "logits"
    record(starter, text, logits)
    found = compare(starter, text, logits)
    assert found.mean_kl < 1e-4
    assert found.same_top > 0.98


def test_the_starter_loses_something(starter: Path, tmp_path: Path, text: str) -> None:
    logits, smaller = tmp_path / "logits", tmp_path / "smaller.gguf"
    record(starter, text, logits)
    quantize(starter, smaller, to="Q4_0")
    found = compare(smaller, text, logits)
    assert 0.001 < found.mean_kl < 2
    assert 0.3 < found.same_top < 1
    assert smaller.stat().st_size < 0.85 * starter.stat().st_size


def test_a_damaged_file_is_refused_in_words(tmp_path: Path) -> None:
    whole = write_model(tmp_path / "whole.gguf").read_bytes()
    damaged = tmp_path / "damaged.gguf"
    for content in (b"", b"GGUF", b"no model", whole[:3000], whole[: len(whole) // 2]):
        damaged.write_bytes(content)
        with pytest.raises(CannotTune, match=r"damaged.gguf cannot be read as a model: .+\.$"):
            inspect(damaged)


def test_rows_that_are_no_whole_blocks_are_refused(tmp_path: Path) -> None:
    model = write_model(tmp_path / "odd.gguf", width=48, body=Type.F16)
    with pytest.raises(CannotTune, match="48 numbers are not whole blocks of 32"):
        inspect(model)


@pytest.mark.parametrize(
    "message",
    [
        tasks.Inspect("a.gguf", ("Q4_0",)),
        tasks.Quantize("a.gguf", "b.gguf", "c", "Q4_0", ""),
        tasks.Record("a.gguf", ("t",), "l"),
        tasks.Compare("a.gguf", ("t",), "l"),
    ],
)
def test_orders_survive_the_wire(message: tasks.Order) -> None:
    assert tasks.parse_order(tasks.encode(message)) == message


@pytest.mark.parametrize(
    "message",
    [
        tasks.Progress(0.5),
        tasks.Refused("No.", "Try."),
        tasks.Inspected({"q4_0": 1}, {"Q4_0": 2}, "", 0, 9),
        tasks.Quantized(True),
        tasks.Recorded(3),
        tasks.Compared(0.1, 0.9),
    ],
)
def test_what_is_said_survives_the_wire(message: tasks.Said) -> None:
    assert tasks.parse_said(tasks.encode(message)) == message
