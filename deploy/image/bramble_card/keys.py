"""`ssh_key`: who may come in by ssh. Without a key nobody listens there."""

import re
from collections.abc import Mapping

from bramble_card.card import Card
from bramble_card.document import Mistake, Scalar, Tree
from bramble_card.values import rows

FILE = "etc/ssh/bramble_keys"
GOOD = re.compile(r"(ssh-|ecdsa-|sk-)[\w@.-]+ [A-Za-z0-9+/]+=*( [^\r\n]*)?")


def apply(card: Card, sections: Mapping[str, Tree]) -> None:
    """Let the owners of these keys in, and nobody else. Raises Mistake."""
    if "ssh_key" not in sections:
        return
    written = rows(sections["ssh_key"], "ssh_key")
    keys: list[str] = []
    for each in written:
        with card.attempt():
            keys.append(_key(card, each))
    line = sections["ssh_key"].line
    if not card.is_new("ssh_key", keys):
        return
    if keys:
        card.write(FILE, "".join(f"{key}\n" for key in keys))
        card.run(line, "ssh-keygen", "-A", "-f", str(card.root))
        card.run(line, "systemctl", "enable", "ssh.service")
        card.run(line, "systemctl", "start", "--no-block", "ssh.service")
    elif not written and card.last("ssh_key"):
        card.remove(FILE)
        card.run(line, "systemctl", "disable", "ssh.service")
        card.run(line, "systemctl", "stop", "--no-block", "ssh.service")
    else:
        return
    card.applied("ssh_key", keys)


def _key(card: Card, written: Scalar) -> str:
    key = written.text.strip()
    if "PRIVATE KEY" in key:
        raise Mistake(
            written.line,
            "ssh_key: this is the secret half; what is wanted is in the file that ends with .pub",
        )
    if not GOOD.fullmatch(key):
        raise Mistake(written.line, "ssh_key looks like `ssh-ed25519 AAAA… you`, all in one line")
    try:
        card.run(written.line, "ssh-keygen", "-l", "-f", "-", given=f"{key}\n")
    except Mistake:
        raise Mistake(
            written.line, "ssh_key: some of it is missing; copy all of the line"
        ) from None
    return key
