"""`admin_password`: Bramble's own command sets it and says whether it is good."""

import re
from collections.abc import Mapping

from bramble_card.card import Card
from bramble_card.document import Mistake, Tree
from bramble_card.values import secret


def apply(card: Card, sections: Mapping[str, Tree]) -> None:
    """Set it where one is written. Raises Mistake."""
    written = secret(sections.get("admin_password"), "admin_password")
    if written is None:
        return
    if "\n" in written.text:
        raise Mistake(written.line, "admin_password is one line")
    try:
        card.run(written.line, "bramble", "password", given=f"{written.text}\n")
    except Mistake as mistake:
        raise Mistake(
            mistake.line, f"admin_password: {re.sub('^bramble: ', '', mistake.text)}"
        ) from None
    card.secrets.append(written)
