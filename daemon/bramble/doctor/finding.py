"""What a check finds: one line for a person, and what to do where something is to be done."""

from enum import StrEnum

from msgspec import Struct


class Mark(StrEnum):
    """Whether it is well. What a machine does not have or does not tell is neither well nor ill."""

    WELL = "well"
    ILL = "ill"
    ABSENT = "absent"


class Finding(Struct, frozen=True):
    """The result of one check. `hint` is "" where there is nothing to do; an absent thing may have one, too."""

    check: str
    mark: Mark
    text: str
    hint: str = ""


def well(check: str, text: str) -> Finding:
    """All is as it should be."""
    return Finding(check, Mark.WELL, text)


def ill(check: str, text: str, hint: str) -> Finding:
    """Something ails; the hint mends it."""
    return Finding(check, Mark.ILL, text, hint)


def absent(check: str, text: str, hint: str = "") -> Finding:
    """It is not there, or nothing tells it: Bramble works without."""
    return Finding(check, Mark.ABSENT, text, hint)


def size(amount: int) -> str:
    """Bytes in words."""
    return f"{amount / 1e9:,.1f} GB" if abs(amount) >= 1e9 else f"{amount / 1e6:,.0f} MB"
