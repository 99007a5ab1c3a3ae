"""Guessing: found where text repeats, tried only where it pays."""

from hypothesis import given
from hypothesis import strategies as st

from bramble.engine.draft import NGRAM, Costs, Guess, Lookup, Record, best_length


@given(st.lists(st.integers(0, 3), max_size=60), st.integers(0, 12))
def test_a_guess_is_what_followed_the_same_words_before(tokens: list[int], most: int) -> None:
    grown: list[int] = []
    lookup = Lookup(grown)
    for token in tokens:
        grown.append(token)
        guess = lookup.guess(most)
        assert len(guess.tokens) <= most
        if guess.tokens:
            assert guess.match >= NGRAM
            whole = grown[-guess.match :] + guess.tokens
            places = range(len(grown) - guess.match)
            assert any(grown[at : at + len(whole)] == whole for at in places)


def test_the_newest_of_several_places_counts() -> None:
    assert Lookup([1, 2, 3, 7, 1, 2, 3, 8, 1, 2, 3]).guess(1) == Guess([8], NGRAM)


def test_a_row_that_costs_nothing_tries_what_followed_the_last_token_before() -> None:
    assert Lookup([5, 9, 5, 7, 1, 5]).likely() == Guess([7])
    assert Lookup([5, 9]).likely() == Guess([9])


@given(st.lists(st.tuples(st.integers(3, 12), st.integers(0, 8), st.integers(0, 8)), max_size=50))
def test_the_record_stays_a_chance(rounds: list[tuple[int, int, int]]) -> None:
    record = Record()
    for match, right, more in rounds:
        record.verified(match, right, right + more)
        record.idle()
        assert 0 < record.chance(match) < 1


def test_long_matches_are_trusted_more_than_short_ones() -> None:
    chances = [Record().chance(match) for match in (3, 4, 6, 9)]
    assert chances == sorted(set(chances))


def test_a_record_falls_with_failures_and_recovers_with_time() -> None:
    record = Record()
    fresh = record.chance(9)
    for _ in range(5):
        record.verified(9, 0, 4)
    assert record.chance(9) < fresh / 2
    for _ in range(400):
        record.idle()
    assert abs(record.chance(9) - fresh) < 0.05


def test_costs_between_measured_sizes_lie_on_a_line() -> None:
    costs = Costs()
    costs.learn(1, 10)
    costs.learn(5, 30)
    assert costs.ms(3) == 20
    assert costs.ms(10) == 60


@given(st.floats(0.01, 0.98), st.integers(0, 3), st.integers(0, 16))
def test_guessing_never_lowers_the_expected_rate(chance: float, others: int, room: int) -> None:
    def cost(rows: int) -> float:
        return 10 + 4 * rows

    length = best_length(room, chance, others, cost, 1000)
    expected = sum(chance**n for n in range(length + 1))
    rate = (others + expected) / cost(others + 1 + length)
    assert rate >= (others + 1) / cost(others + 1) - 1e-9


def test_no_guess_where_rows_cost_as_much_as_steps_or_are_never_right() -> None:
    assert best_length(8, 0.9, 0, lambda rows: 10.0 * rows, 1000) == 0
    assert best_length(8, 0.1, 0, lambda rows: 10 + 4.0 * rows, 1000) == 0
    assert best_length(8, 0.95, 0, lambda rows: 10 + 1.0 * rows, 1000) == 8
    assert best_length(8, 0.95, 0, lambda rows: 10 + 1.0 * rows, 14) == 3
