"""Applies what is new in bramble.yaml, takes the passwords out of it, and tells beside it what is wrong."""

import argparse
import os
import sys
from pathlib import Path

from bramble_card import admin, keys, name, settings, wifi
from bramble_card.card import Card
from bramble_card.document import Document, Group, Mistake, read
from bramble_card.values import unknown

KNOWN = ("name", "language", "wifi", "admin_password", "ssh_key", "settings")
REPORT = "bramble-FAILED.txt"
HEAD = (
    "Not all of bramble.yaml could be applied; everything else is in use. Change these lines in it,\n"
    "and start the Pi again.\n\n"
)
DATA = "var/lib/bramble"


def main() -> int:
    """Apply it; the exit status is 1 where something could not be."""
    parser = argparse.ArgumentParser(prog="bramble_card", description=__doc__)
    parser.add_argument("--boot", type=Path, default=Path("/boot/firmware"))
    parser.add_argument("--root", type=Path, default=Path("/"))
    options = parser.parse_args()
    card = Card(options.root)
    with card.attempt():
        _apply(card, options.boot / "bramble.yaml")
    if options.root == Path("/") and not os.path.ismount(options.root / DATA):
        card.mistakes.append(
            Mistake(0, "the card's third partition, for conversations, cannot be used")
        )
    return _report(card, options.boot / REPORT)


def _apply(card: Card, file: Path) -> None:
    try:
        document = read(file.read_bytes())
    except FileNotFoundError:
        return  # somebody took it away: everything stays as it is
    card.mistakes += document.mistakes
    unknown(Group(0, document.sections), KNOWN, card)
    for each in (name, wifi, keys, settings, admin):
        with card.attempt():
            each.apply(card, document.sections)
    _empty(card, document, file)


def _empty(card: Card, document: Document, file: Path) -> None:
    """Written over itself: a new file would leave the old one's blocks as they are."""
    if not card.secrets:
        return
    with file.open("r+b") as out:
        out.write(document.without(card.secrets))
        out.flush()
        os.fsync(out.fileno())


def _report(card: Card, file: Path) -> int:
    lines = [
        f"line {each.line}: {each.text}" if each.line else each.text
        for each in sorted(card.mistakes, key=lambda each: each.line)
    ]
    for line in lines:
        print(f"bramble.yaml: {line}", file=sys.stderr)
    try:
        if not lines:
            file.unlink(missing_ok=True)
        else:
            file.write_text(HEAD + "\n".join(lines) + "\n", encoding="utf-8", newline="\r\n")
            os.sync()
    except OSError as error:
        print(f"{file}: {error}", file=sys.stderr)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
