"""How many wrong passwords are enough. Counted before anything is computed: a hundred at once are a hundred."""

import time
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_network

from bramble.access.buckets import Buckets
from bramble.errors import TooMany

Address = IPv4Address | IPv6Address

TRIES = 10
"""Wrong passwords that an address, or all addresses for one account, may try at once."""
ADDRESS_SECONDS, ACCOUNT_SECONDS = 60.0, 20.0
"""Then one more after so many seconds."""
KNOWN_MOST = 1000


class Tries:
    """From where somebody signed in rightly only the address counts: nobody can lock them out by guessing elsewhere."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._addresses = Buckets(TRIES, ADDRESS_SECONDS, clock=clock)
        self._accounts = Buckets(TRIES, ACCOUNT_SECONDS, clock=clock)
        self._known: dict[tuple[str, str], None] = {}

    def begin(self, name: str, address: Address) -> Callable[[], None]:
        """Count one try; what is returned is called where it was right. Raises TooMany."""
        place, account = _place(address), name.lower()
        if wait := self._addresses.take(place):
            raise _too_many(wait)
        known = (place, account) in self._known
        if not known and (wait := self._accounts.take(account)):
            self._addresses.give_back(place)
            raise _too_many(wait)

        def right() -> None:
            self._addresses.clear(place)
            if not known:
                self._accounts.give_back(account)
                self._remember(place, account)

        return right

    def _remember(self, place: str, account: str) -> None:
        self._known[place, account] = None
        if len(self._known) > KNOWN_MOST:
            del self._known[next(iter(self._known))]


def _place(address: Address) -> str:
    """Whom tries count for: of IPv6 the /64, which is what one subscriber or one device has to choose from."""
    if isinstance(address, IPv4Address) or address.is_link_local or address.is_loopback:
        return str(address)
    return str(ip_network((address, 64), strict=False))


def _too_many(wait: float) -> TooMany:
    error = TooMany("Too many wrong passwords were tried.", wait)
    error.hint = f"Wait {wait:.0f} seconds."
    return error
