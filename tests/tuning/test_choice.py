"""Which file is chosen, from figures alone."""

import pytest

from bramble.engine.tasks import Inspected
from bramble.models.tuned import Row
from bramble.tuning.choice import already_fast, choose, summary


def row(name: str, mb: float, kl: float, speed: float, kind: str = "candidate") -> Row:
    return Row(kind, name, int(mb * 1e6), kl, 1 - kl, speed, 2, int(mb * 1e6) + 100_000_000)


SOURCE = row("source", 500, 0.0, 40.0, "source")


@pytest.mark.parametrize(
    ("candidates", "chosen"),
    [
        ([row("A", 300, 0.05, 60), row("B", 300, 0.08, 70)], "B"),  # both fit: the faster
        ([row("A", 300, 0.05, 60), row("B", 300, 0.12, 70)], "A"),  # the faster loses too much
        ([row("A", 300, 0.05, 64), row("B", 300, 0.08, 70)], "A"),  # nearly as fast: the nearer
        ([row("A", 300, 0.05, 70), row("B", 250, 0.08, 64)], "B"),  # nearly as fast: the smaller
        ([row("A", 300, 0.05, 70), row("B", 250, 0.08, 60)], "A"),  # smaller, but too slow
        ([row("A", 300, 0.11, 60), row("B", 300, 0.12, 70)], ""),  # none fits
        ([row("A", 500, 0.05, 41), row("B", 499, 0.05, 40)], ""),  # nothing gained
        ([row("A", 300, 0.05, 40)], "A"),  # as fast, but smaller
        ([row("A", 300, 0.05, 30)], ""),  # smaller, but slower
    ],
)
def test_the_fastest_within_the_limit(candidates: list[Row], chosen: str) -> None:
    beside = row("published", 400, 0.0, 1000, "beside")
    best = choose([SOURCE, beside, *candidates], 0.1)
    assert (best.name if best else "") == chosen


def test_sentences_say_what_was_gained_and_lost() -> None:
    best = row("IQ4_NL", 286, 0.08, 60)
    assert summary([SOURCE, best], best, 0.1) == (
        "IQ4_NL writes 1.50 times as fast as the source (60.0 instead of 40.0 tokens a second) and takes 286 instead"
        " of 500 MB. It finds another next token likeliest at 8% of the positions tried (mean KL divergence 0.080)."
    )
    assert "No type stays within a loss of 0.05: the nearest to the source is IQ4_NL" in summary(
        [SOURCE, best], None, 0.05
    )
    assert summary([SOURCE, best], None, 0.1).startswith("Nothing was gained")


@pytest.mark.parametrize(
    ("by_type", "sizes", "fast"),
    [
        ({"q4_0": 300, "f32": 1}, {"IQ4_NL": 302, "Q4_0": 301}, True),
        ({"iq4_nl": 290, "q5_K": 10}, {"IQ4_NL": 300, "Q4_0": 298}, True),
        ({"q4_0": 280, "q8_0": 145}, {"IQ4_NL": 280, "Q4_0": 278}, False),
        ({"q8_0": 675}, {"IQ4_NL": 280, "Q4_0": 278}, False),
        ({"q2_K": 200}, {"IQ4_NL": 280, "Q4_0": 278}, True),
    ],
)
def test_what_has_nothing_to_gain_is_known_before(
    by_type: dict[str, int], sizes: dict[str, int], fast: bool
) -> None:
    assert already_fast(Inspected(by_type, sizes, "", 0, 100)) == fast
