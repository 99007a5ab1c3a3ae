"""How much memory Bramble may still take, and what sets the bound: the machine, a control group or a setting."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Struct

from bramble.board.cgroup import limited_groups
from bramble.board.files import MACHINE, amounts, text

MEGABYTE = 1_000_000
SHARE = 0.05
"""The part of what there is that is left to others: the kernel's own reclaim works well down to here."""
LEAST_RESERVE = 64 * MEGABYTE
LEAST_MARGIN = 16 * MEGABYTE
"""In a group of its own nobody but Bramble needs the rest."""


class Bound(Struct, frozen=True):
    """One thing that limits memory, in bytes: `total` in all, of which `reserve` is not for Bramble.

    `left` may still be taken; below 0 the reserve is being eaten. `name` is machine, group or setting.
    """

    name: str
    total: int
    left: int
    reserve: int

    @property
    def most(self) -> int:
        """What could be Bramble's if nobody else took anything."""
        return self.total - self.reserve

    @property
    def room(self) -> float:
        """`left` in reserves, so that a phone-sized board and a server are judged alike."""
        return self.left / self.reserve


class Memory(Struct, frozen=True):
    """One look at the memory, in bytes; `bounds` is never empty."""

    total: int
    available: int
    swap: int
    swap_used: int
    bounds: tuple[Bound, ...]

    @property
    def least(self) -> Bound:
        """The bound that leaves the fewest bytes: the budget of a plan."""
        return min(self.bounds, key=lambda bound: bound.left)

    @property
    def tightest(self) -> Bound:
        """The bound with the least room, which the guard goes by."""
        return min(self.bounds, key=lambda bound: bound.room)

    @property
    def lowest(self) -> Bound:
        """The bound that leaves Bramble the fewest bytes even when nothing else runs."""
        return min(self.bounds, key=lambda bound: bound.most)


def read(
    root: Path = MACHINE,
    *,
    limit: int | None = None,
    reserve: int | None = None,
    used: int = 0,
) -> Memory:
    """Look now. `limit` and `reserve` as set by a person (None: no limit, 5 % but at least 64 MB).

    `used` is what Bramble has already: it counts against `limit` alone.
    """
    told = amounts(root / "proc/meminfo")
    total, available = told.get("MemTotal", 0), told.get("MemAvailable", told.get("MemFree", 0))
    machine = _bound(
        "machine", total, available, _share(total, LEAST_RESERVE) if reserve is None else reserve
    )
    bounds = [machine, *_groups(root)]
    if limit is not None:
        bounds.append(_bound("setting", limit, limit - used, _share(limit, LEAST_MARGIN)))
    return Memory(
        total=total,
        available=available,
        swap=told.get("SwapTotal", 0),
        swap_used=told.get("SwapTotal", 0) - told.get("SwapFree", 0),
        bounds=tuple(bounds),
    )


def resident(processes: Iterable[int], root: Path = MACHINE) -> int:
    """Bytes of memory that these processes hold; one that has ended holds none."""
    return sum(amounts(root / f"proc/{pid}/status").get("VmRSS", 0) for pid in processes)


def zram(root: Path = MACHINE) -> int:
    """Bytes of swap that are compressed memory (proc/swaps, in KiB)."""
    rows = [row.split() for row in (text(root / "proc/swaps") or "").splitlines()[1:]]
    return sum(int(row[2]) * 1024 for row in rows if row[0].startswith("/dev/zram"))


def _groups(root: Path) -> Iterator[Bound]:
    for group in limited_groups(root):
        margin = _share(group.limit, LEAST_MARGIN)
        yield _bound("group", group.limit, group.limit - group.used, margin)


def _bound(name: str, total: int, free: int, reserve: int) -> Bound:
    return Bound(name, total, free - reserve, max(1, reserve))


def _share(total: int, least: int) -> int:
    return max(least, int(total * SHARE))
