"""Token buckets and wrong passwords, on a clock that stands still unless it is set."""

from ipaddress import ip_address

import pytest

from bramble.access.buckets import MOST, Buckets
from bramble.access.tries import ACCOUNT_SECONDS, ADDRESS_SECONDS, TRIES, Tries
from bramble.errors import TooMany


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_is_emptied_and_filled_again() -> None:
    clock = Clock()
    buckets = Buckets(3, 10.0, clock=clock)
    assert [buckets.take("ada") for _ in range(4)] == [0, 0, 0, 10]
    assert buckets.take("grace") == 0
    clock.now += 9
    assert buckets.take("ada") == pytest.approx(1)
    clock.now += 1
    assert buckets.take("ada") == 0
    assert buckets.take("ada") == pytest.approx(10)
    buckets.give_back("ada")
    assert buckets.take("ada") == 0
    clock.now += 1000
    assert [buckets.take("ada") for _ in range(4)] == [0, 0, 0, 10]


def test_names_that_are_full_again_are_forgotten_first() -> None:
    clock = Clock()
    buckets = Buckets(1, 10.0, clock=clock)
    for n in range(MOST):
        buckets.take(f"old {n}")
    clock.now += 20
    buckets.take("guesser")
    for n in range(MOST // 2):
        buckets.take(f"new {n}")
    assert buckets.take("guesser") > 0
    assert len(buckets._full_at) <= MOST  # pyright: ignore[reportPrivateUsage]


def spend(tries: Tries, name: str, address: str) -> int:
    """How many passwords may be tried from there."""
    for n in range(10_000):
        try:
            tries.begin(name, ip_address(address))
        except TooMany as error:
            assert error.retry_after > 0
            return n
    raise AssertionError("nobody stops it")


def test_ten_wrong_ones_of_an_address_then_one_a_minute() -> None:
    clock = Clock()
    tries = Tries(clock)
    assert spend(tries, "admin", "192.168.1.66") == TRIES
    assert spend(tries, "ada", "192.168.1.66") == 0
    clock.now += ADDRESS_SECONDS
    assert spend(tries, "admin", "192.168.1.66") == 1
    clock.now += 60 * ADDRESS_SECONDS
    assert spend(tries, "admin", "192.168.1.66") == TRIES


def test_ten_wrong_ones_of_an_account_wherever_they_come_from() -> None:
    clock = Clock()
    tries = Tries(clock)
    assert sum(spend(tries, "admin", f"10.0.0.{n}") for n in range(100)) == TRIES
    assert spend(tries, "ADMIN", "10.0.1.1") == 0
    assert spend(tries, "ada", "10.0.1.1") == TRIES
    clock.now += ACCOUNT_SECONDS
    assert spend(tries, "admin", "10.0.1.2") == 1


def test_who_signed_in_before_is_not_locked_out_by_others() -> None:
    tries = Tries(Clock())
    home = ip_address("192.168.1.5")
    tries.begin("admin", home)()
    assert sum(spend(tries, "admin", f"10.0.0.{n}") for n in range(5)) == TRIES
    tries.begin("admin", home)()
    assert spend(tries, "admin", str(home)) == TRIES  # but guesses there no better


def test_the_addresses_of_one_ipv6_network_are_one() -> None:
    tries = Tries(Clock())
    names = [f"account {n}" for n in range(40)]
    spent = sum(spend(tries, name, f"fd00::1:{n}") for n, name in enumerate(names))
    assert spent == TRIES
    assert spend(tries, "ada", "fe80::1") == TRIES
    assert spend(tries, "grace", "fe80::2") == TRIES
