"""The checks of the machine itself: board, kernel, memory, swap, heat, supply."""

from collections.abc import Iterator
from pathlib import Path

from bramble.board import heat, info, memory
from bramble.board.heat import Throttle
from bramble.board.info import Board
from bramble.board.memory import Bound
from bramble.config import GuardSettings
from bramble.doctor.finding import Finding, absent, ill, size, well

CMDLINE = "/boot/firmware/cmdline.txt"
SMALL = 2_000_000_000
"""Bytes of memory below which compressed swap is worth having."""


def board(board: Board) -> Finding:
    """What it is, and what its processor can do."""
    if not board.cores:
        return absent("board", "This machine does not tell what it is.")
    name = board.model or "a machine without a name"
    features = f" ({', '.join(board.features)})" if board.features else ""
    parts = [
        f"{name}, {board.cores} × {board.cpu or 'an unknown core'}{features}",
        size(board.memory),
        f"governor {board.governor}" if board.governor else "",
        f"{board.system}, Linux {board.kernel}".lstrip(", "),
    ]
    return well("board", "; ".join(filter(None, parts)))


def kernel(board: Board) -> Iterator[Finding]:
    """What the kernel can limit and measure."""
    yield _flag(
        board,
        "memory groups",
        board.memory_controller,
        ("The kernel limits memory by group.", "The kernel cannot limit memory by group."),
        "cgroup_enable=memory",
    )
    yield _flag(
        board,
        "memory pressure",
        board.pressure,
        ("The kernel measures memory pressure.", "The kernel does not measure memory pressure."),
        "psi=1",
    )


def _flag(board: Board, check: str, on: bool, words: tuple[str, str], flag: str) -> Finding:
    if on:
        return well(check, words[0])
    where = f"to the line in {CMDLINE}" if board.is_pi else "to the kernel's command line"
    return absent(check, words[1], f"Add {flag} {where} and restart.")


def budget(now: memory.Memory, model: int) -> Finding:
    """Whether there is memory to take, and whether the model (bytes, 0 unknown) could ever fit."""
    if model > (lowest := now.lowest).most:
        return ill(
            "memory",
            f"Bramble may take {size(lowest.most)} ({_by(lowest)}); the model alone has {size(model)}.",
            "Choose a smaller one with engine.model.",
        )
    told, least = f"{size(now.available)} of {size(now.total)} available", now.least
    if least.left <= 0:
        return ill(
            "memory",
            f"{told}; Bramble may take no more ({_by(least)}).",
            "End other programs, or choose a smaller model.",
        )
    return well("memory", f"{told}; Bramble may take {size(least.left)} more ({_by(least)}).")


def _by(bound: Bound) -> str:
    kept = size(bound.reserve)
    return {
        "machine": f"{kept} are for the rest of the machine",
        "group": f"its group's limit is {size(bound.total)}, {kept} are kept free",
        "setting": f"guard.memory.limit is {size(bound.total)}, {kept} are kept free",
    }[bound.name]


def swap(now: memory.Memory, compressed: int) -> Finding:
    """Compressed swap helps a small board; swap on a card wears it out."""
    if compressed:
        return well("swap", f"{size(now.swap)}, of which {size(compressed)} compressed in memory")
    zram = "Install zram-tools: compressed swap is fast and spares the card."
    if now.swap:
        told = f"{size(now.swap)} on disk, {size(now.swap_used)} used"
        return absent("swap", told, zram) if now.total < SMALL else well("swap", told)
    return absent("swap", "There is none.", zram if now.total < SMALL else "")


def temperature(now: heat.Heat, limits: GuardSettings) -> Finding:
    """Whether it is too hot right now."""
    throttled = now.throttle is not None and now.throttle.is_hot
    slow = "; the firmware slows the board down" if throttled else ""
    if now.celsius is None and not slow:
        return absent("heat", "This machine tells no temperature.")
    told = "no sensor" if now.celsius is None else f"{now.celsius:.1f} °C"
    if slow or (now.celsius is not None and now.celsius >= limits.heat.soft):
        return ill("heat", f"{told}{slow}", "Give it a cooler or more air.")
    return well("heat", f"{told}; fewer cores compute from {limits.heat.soft:g} °C")


def supply(throttle: Throttle | None, source: str) -> Finding:
    """Whether the supply is strong enough, now and since it was switched on."""
    if throttle is None:
        return absent("supply", "This machine does not tell whether its supply is weak.")
    stronger = "Use Raspberry Pi's own power supply and a short cable."
    if throttle.is_weak:
        return ill("supply", f"The voltage is too low right now (says {source}).", stronger)
    if Throttle.WAS_UNDER_VOLTAGE in throttle:
        return ill(
            "supply",
            f"The voltage was too low since it was switched on (says {source}).",
            stronger,
        )
    only = "; it cannot tell more" if source == "rpi_volt" else ""
    return well("supply", f"The voltage is right (says {source}{only}).")


def findings(
    root: Path, settings: GuardSettings, model: int, bounds: dict[str, int | None]
) -> Iterator[Finding]:
    """All checks of this file, in the order they are shown. `model` in bytes, 0 where there is none."""
    facts = info.read(root)
    yield board(facts)
    yield from kernel(facts)
    now = memory.read(root, limit=bounds["limit"], reserve=bounds["reserve"])
    yield budget(now, model)
    yield swap(now, memory.zram(root))
    sensors = heat.Sensors(root)
    seen = sensors.read()
    yield temperature(seen, settings)
    yield supply(seen.throttle, sensors.supply)
