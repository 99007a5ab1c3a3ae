"""Prefixes that make room for a long prompt: kept within their bytes, found again whole, and right."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from bramble.engine.aside import Aside, Prefix
from tests.engine.rig import Ask, Rig

PLACES = ("harbour", "mountain", "desert", "forest")
LIMIT = 64 << 20


def long(place: str) -> Ask:
    return Ask(" ".join(f"The {place} has a house with number {n}." for n in range(40)), tokens=8)


def test_who_comes_back_after_other_peoples_long_prompts_finds_everything(starter: Path) -> None:
    rig = Rig(starter, context=2048, changes={"aside": LIMIT})
    try:
        first = {place: rig.answer(long(place)) for place in PLACES}
        for place in PLACES:
            again = rig.answer(long(place))
            assert again.started.cached_tokens == first[place].done.prompt_tokens - 1
            fresh = rig.answer(long(place))  # the same shape of batch, from cells that never moved
            assert again.text == fresh.text
    finally:
        rig.close()


def test_without_memory_for_it_only_the_cache_remembers(starter: Path) -> None:
    rig = Rig(starter, context=1024, changes={"aside": 1 << 10})
    try:
        first = rig.answer(long(PLACES[0]))
        for place in PLACES[1:]:
            rig.answer(long(place))
        again = rig.answer(long(PLACES[0]))
        assert again.started.cached_tokens < first.done.prompt_tokens // 2
        assert again.text
    finally:
        rig.close()


def test_a_full_cache_takes_a_prefix_back_in_place_of_another(starter: Path) -> None:
    rig = Rig(starter, context=1024, changes={"aside": LIMIT})
    try:
        first = {place: rig.answer(long(place)) for place in PLACES}
        for place in (*PLACES, *reversed(PLACES)):
            again = rig.answer(long(place))
            assert again.started.cached_tokens == first[place].done.prompt_tokens - 1
    finally:
        rig.close()


@given(
    st.lists(st.tuples(st.lists(st.integers(0, 2), min_size=1), st.integers(1, 60)), max_size=12)
)
def test_the_bytes_are_never_exceeded_and_the_newest_is_there(
    puts: list[tuple[list[int], int]],
) -> None:
    aside = Aside(limit=60)
    for tokens, size in puts:
        aside.put(Prefix(tokens, bytearray(size)))
        assert aside.size <= 60
        found, shared = aside.best([*tokens, 9])
        assert found is not None
        assert shared == len(tokens)


def test_a_longer_version_takes_the_place_of_its_beginning() -> None:
    aside = Aside(limit=100)
    aside.put(Prefix([1, 2], bytearray(40)))
    aside.put(Prefix([1, 2, 3], bytearray(40)))
    assert aside.size == 40


def test_a_part_that_is_used_leaves_the_whole() -> None:
    aside = Aside(limit=100)
    prefix = Prefix([1, 2, 3], bytearray(40))
    aside.put(prefix)
    aside.take(prefix, whole=False)
    assert aside.size == 40
    aside.take(prefix, whole=True)
    assert aside.size == 0
