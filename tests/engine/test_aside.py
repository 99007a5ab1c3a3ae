"""Prefixes that make room for another prompt: kept within their bytes, found again whole, and right."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bramble.engine import wire
from bramble.engine.aside import Aside, Prefix
from bramble.engine.candidates import candidates, logits
from bramble.engine.context import Context
from bramble.engine.llama import C, Model
from bramble.engine.prefix import LONG_ROWS, PrefixCache
from bramble.engine.sample import Sampler
from bramble.engine.slot import Job, Slot
from bramble.engine.text import TextStream
from tests.engine import tiny
from tests.engine.rig import Ask, Rig
from tests.engine.scanned import watch

PLACES = ("harbour", "mountain", "desert", "forest")
LIMIT = 64 << 20
CELLS = 32
"""A step attends over whole blocks of so many."""


ROUNDING = 1e-3
"""Logits of cells in another order differ by less: they are summed up in another order."""


def furthest(left: list[float], right: list[float]) -> float:
    return max(abs(a - b) for a, b in zip(left, right, strict=True))


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


class Reader:
    """Reads prompts into the cache of a tiny model that may set `aside` bytes aside."""

    def __init__(self, model: Model, context: Context, aside: int) -> None:
        self.cache = PrefixCache(context, 4, trims=True, aside=aside)
        self._model, self._context = model, context

    def read(self, tokens: list[int]) -> tuple[Slot, int]:
        """The slot that holds them now, and how many of them were there before."""
        slot = self.cache.place(tokens)
        assert slot is not None
        cached = len(slot.held)
        self.compute(slot, tokens[cached:])
        return slot, cached

    def compute(self, slot: Slot, tokens: list[int]) -> None:
        """What follows in a slot, in one step; the last token gets logits."""
        self._context.clear_rows()
        self._context.add_rows(slot.sequence, tokens, len(slot.held), outputs=1)
        assert self._context.decode()
        slot.held += tokens

    def logits(self, slot: Slot, token: int) -> list[float]:
        """What would follow a token, which leaves no trace."""
        self.compute(slot, [token])
        self._context.forget(slot.sequence, len(slot.held) - 1)
        slot.held.pop()
        return list(logits(candidates().load(self._context, 0)))

    def job(self, tokens: list[int]) -> Job:
        """An answer to a prompt."""
        sampler = Sampler(self._model, wire.Sampling(), 0, [])
        return Job(1, tokens[:], len(tokens), 8, sampler, TextStream(()))

    def size(self, slot: Slot) -> int:
        """Bytes that what it holds would take aside."""
        return self._context.state_size(slot.sequence)

    @property
    def cells(self) -> int:
        """How many tokens the cache holds."""
        return sum(len(slot.held) for slot in self.cache.slots)


@contextmanager
def reader(folder: Path, aside: int, cells: int = 1024) -> Generator[Reader]:
    model = Model(tiny.llama(folder / "tiny.gguf"), mmap=True, progress=lambda _: None)
    context = Context(model, size=cells, slots=4, batch=512, threads=1)
    yield Reader(model, context, aside)
    context.close()


def test_a_short_prompt_too_is_computed_without_others_cells(tmp_path: Path) -> None:
    first, second = [1, *range(10, 70)], [1, *range(20, 90)]
    with reader(tmp_path, LIMIT) as people:
        people.read(first)
        people.read(second)
        assert people.cells == len(second)
        slot, cached = people.read([*first, 5])
        assert cached == len(first)
        assert people.cells == len(slot.held)


def test_only_a_long_prompt_is_worth_what_is_kept_of_others(tmp_path: Path) -> None:
    first, second, third = ([1, *range(start, start + 60)] for start in (5, 10, 15))
    with reader(tmp_path, LIMIT) as people:
        size = people.size(people.read(first)[0])
    with reader(tmp_path, size) as people:
        for tokens in (first, second, third):
            people.read(tokens)
        assert people.cells == len(second) + len(third)
        long = [1, *[7] * LONG_ROWS]
        people.read(long)
        assert people.cells == len(long)
        assert people.read([*third, 5])[1] == len(third)


@pytest.fixture
def scanned(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many cells each step attends over, of contexts that are made from here on."""
    seen: list[int] = []
    params = C.llama_context_default_params()
    params.cb_eval = watch(seen)
    monkeypatch.setattr(C, "llama_context_default_params", lambda: params)
    return seen


def test_who_was_behind_others_moves_up_when_they_go_even_while_answering(
    tmp_path: Path, scanned: list[int]
) -> None:
    system = [1, *range(5, 25)]
    first, second = ([*system, *[start] * 400] for start in (30, 31))
    third = [*system, *[32] * 300]
    with reader(tmp_path, LIMIT) as people:
        size = people.size(people.read(first)[0])
    with reader(tmp_path, size) as people:
        for tokens in (first, second):
            people.read(tokens)
        running, _ = people.read([*system, 40, 41])
        running.job = people.job(running.held)
        before = people.logits(running, 42)
        assert scanned[-1] > len(second)  # which has no room beside the first, and stays in front
        slot, cached = people.read(third)
        assert cached == len(system)
        after = people.logits(running, 42)
        assert scanned[-1] - (len(third) + 3) < CELLS
        assert furthest(before, after) < ROUNDING
        running.job = None
        assert people.read([*third, 5]) == (slot, len(third))
        assert people.read([*second, 5])[1] == len(second)


def test_an_answer_moves_up_where_the_cells_run_out(tmp_path: Path, scanned: list[int]) -> None:
    with reader(tmp_path, LIMIT) as people:
        size = people.size(people.read([1, 40, 41])[0])
    with reader(tmp_path, size) as people:  # no room for more than this
        people.read([1, *[30] * 400])
        running, _ = people.read([1, 40, 41])
        running.job = people.job(running.held)
        before = people.logits(running, 42)
        assert scanned[-1] > 400
        assert people.cache.make_room()
        after = people.logits(running, 42)
        assert scanned[-1] == CELLS
        assert furthest(before, after) < ROUNDING


def test_nobody_loses_what_a_full_cache_has_no_room_to_move(tmp_path: Path) -> None:
    system = [1, *[5] * 299]
    prompts = [[*system, *[token] * 3] for token in (40, 41, 42)]
    with reader(tmp_path, LIMIT) as people:
        size = people.size(people.read(prompts[0])[0])
    with reader(tmp_path, size, cells=768) as people:
        people.read(system)
        people.read([*system, *[30] * 310])
        running: list[Slot] = []
        for prompt in prompts:
            slot, _ = people.read(prompt)
            slot.job = people.job(prompt)
            running.append(slot)
        before = [people.logits(slot, 45) for slot in running]
        assert people.cache.make_room()
        assert [slot.held for slot in running] == prompts
        after = [people.logits(slot, 45) for slot in running]
        for left, right in zip(before, after, strict=True):
            assert furthest(left, right) < ROUNDING


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
