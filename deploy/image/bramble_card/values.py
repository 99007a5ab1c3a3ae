"""What several sections ask of a value: a text, a group with these names."""

from collections.abc import Collection
from difflib import get_close_matches

from bramble_card.card import Card
from bramble_card.document import Group, Items, Mistake, Scalar, Tree


def scalar(tree: Tree, name: str) -> Scalar:
    """A value without parts. Raises Mistake."""
    if isinstance(tree, Scalar):
        return tree
    raise Mistake(tree.line, f"{name} is one value, put it between quotes: {name}: '…'")


def text(tree: Tree | None, name: str) -> str:
    """Its text, without blanks around it; empty where it is missing. Raises Mistake."""
    return scalar(tree, name).text.strip() if tree is not None else ""


def secret(tree: Tree | None, name: str) -> Scalar | None:
    """A password, or None where nothing is written. Raises Mistake where it may not be meant as it stands."""
    if tree is None:
        return None
    found = scalar(tree, name)
    if found.remark and not found.quoted and found.text:
        raise Mistake(
            found.line,
            f"{name}: what follows # would not belong to it; put the password between quotes",
        )
    return found if found.text else None


def group(tree: Tree, name: str, known: Collection[str], card: Card) -> Group:
    """A group; names in it that nobody knows are told and left out. Raises Mistake where it is none."""
    if isinstance(tree, Scalar) and not tree.text:
        return Group(tree.line, {})
    if not isinstance(tree, Group):
        raise Mistake(
            tree.line, f"{name} has parts: {', '.join(known)}, each in a line of its own, indented"
        )
    unknown(tree, known, card, f"{name}.")
    return tree


def unknown(tree: Group, known: Collection[str], card: Card, prefix: str = "") -> None:
    """Tell which names nobody knows."""
    for name, part in tree.parts.items():
        if name not in known:
            near = get_close_matches(name, known, n=1, cutoff=0.6)
            hint = f"did you mean {prefix}{near[0]}?" if near else f"there are {', '.join(known)}"
            card.mistakes.append(Mistake(part.line, f"{prefix}{name} is not known; {hint}"))


def rows(tree: Tree | None, name: str) -> list[Scalar]:
    """One value or several. Raises Mistake."""
    if tree is None:
        return []
    parts = tree.parts if isinstance(tree, Items) else [tree]
    return [each for each in (scalar(part, name) for part in parts) if each.text.strip()]
