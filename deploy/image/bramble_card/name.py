"""`name`: what the machine is called, and so where its page is."""

import re
from collections.abc import Mapping

from bramble_card.card import Card
from bramble_card.document import Mistake, Tree
from bramble_card.values import scalar

GOOD = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
HOSTS = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n127.0.1.1 {}\n"


def apply(card: Card, sections: Mapping[str, Tree]) -> None:
    """Give the machine its name. Raises Mistake."""
    if "name" not in sections:
        return
    written = scalar(sections["name"], "name")
    name = written.text.strip().lower().removesuffix(".local")
    if not name:
        return
    if not GOOD.fullmatch(name):
        raise Mistake(
            written.line,
            f"{name} cannot be a name; use letters from a to z, digits and - in between",
        )
    if card.is_new("name", name):
        card.write("etc/hosts", HOSTS.format(name))
        card.write("etc/hostname", f"{name}\n")
        card.run(written.line, "hostname", name)
        card.applied("name", name)
