"""`wifi`: its name, password and country. Of the password the key is kept that the network derives from it."""

import re
from collections.abc import Mapping
from hashlib import pbkdf2_hmac

from bramble_card.card import Card
from bramble_card.document import Mistake, Scalar, Tree
from bramble_card.values import group, secret, text

FILE = "etc/wpa_supplicant/wpa_supplicant-wlan0.conf"
KNOWN = ("ssid", "password", "country")
OPEN = "open"
"""Instead of a password (which has eight characters at least): the network has none."""
CONTENT = """# Made of bramble.yaml on the boot partition.
ctrl_interface=/run/wpa_supplicant
{country}network={{
    ssid={ssid}
    scan_ssid=1
    {key}
}}
"""


def apply(card: Card, sections: Mapping[str, Tree]) -> None:
    """Write what wpa_supplicant is to join, or nothing where no network is named. Raises Mistake."""
    if "wifi" not in sections:
        return
    parts = group(sections["wifi"], "wifi", KNOWN, card).parts
    ssid = text(parts.get("ssid"), "wifi.ssid")
    if not ssid:
        if card.last("wifi"):
            card.remove(FILE)
            card.applied("wifi", None)
        return
    line = parts["ssid"].line
    if len(ssid.encode()) > 32:
        raise Mistake(line, "wifi.ssid is too long to be the name of a network")
    country = ""
    with card.attempt():  # joins without it, too
        country = _country(parts.get("country"))
    password = secret(parts.get("password"), "wifi.password")
    wanted = {"ssid": ssid, "country": country}
    if password is not None or card.is_new("wifi", wanted):
        key = _key(ssid, password, line) if password is not None else _kept(card, ssid, line)
        card.write(FILE, _content(ssid, country, key), mode=0o600)
        card.applied("wifi", wanted)
    if password is not None and password.text != OPEN:
        card.secrets.append(password)


def _content(ssid: str, country: str, key: str) -> str:
    return CONTENT.format(
        ssid=ssid.encode().hex(), country=f"country={country}\n" if country else "", key=key
    )


def _country(tree: Tree | None) -> str:
    country = text(tree, "wifi.country").upper()
    if tree is not None and country and not re.fullmatch("[A-Z]{2}", country):
        raise Mistake(tree.line, f"wifi.country is two letters like DE or CN, not {country}")
    return country


def _key(ssid: str, password: Scalar, line: int) -> str:
    if password.text == OPEN:
        return "key_mgmt=NONE"
    if re.fullmatch("[0-9A-Fa-f]{64}", password.text):
        return f"psk={password.text}"
    data = password.text.encode()
    if not 8 <= len(data) <= 63:
        raise Mistake(
            password.line,
            "wifi.password has 8 to 63 characters; for a network without one write open",
        )
    return f"psk={pbkdf2_hmac('sha1', data, ssid.encode(), 4096, 32).hex()}"


def _kept(card: Card, ssid: str, line: int) -> str:
    """The key that is here already, of the same network."""
    before = card.read(FILE)
    found = re.search(r"^ *(psk=.*|key_mgmt=NONE)$", before, re.MULTILINE)
    if found and f"ssid={ssid.encode().hex()}\n" in before:
        return found[1]
    raise Mistake(line, f"wifi.password of {ssid} is missing; for a network without one write open")
