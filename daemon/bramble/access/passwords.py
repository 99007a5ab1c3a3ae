"""Passwords as they are kept, and words to type off a screen. Computing one takes long, and is done elsewhere."""

import hashlib
import hmac
import secrets
import unicodedata
from base64 import b64decode, b64encode
from binascii import Error as NotBase64

from bramble.errors import BadRequest

SHORTEST, LONGEST = 8, 1024
"""Characters of a password."""
_N, _R, _P = 1 << 14, 8, 5
"""16 MiB and as slow as OWASP's first choice (N=2^17, p=1), which takes 128 MiB: three times the whole daemon."""
_MOST = 64 << 20
ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""What a person types off a screen: nothing that looks like something else."""


def hashed(password: str) -> str:
    """What is kept of a password: a second or less on a Raspberry Pi."""
    salt = secrets.token_bytes(16)
    digest = _scrypt(password, salt, _N, _R, _P)
    return f"scrypt${_N}${_R}${_P}${_text(salt)}${_text(digest)}"


def matches(password: str, kept: str) -> bool:
    """Whether this is the password that `kept` was made of; nonsense matches nothing."""
    try:
        kind, n, r, p, salt, digest = kept.split("$")
        found = _scrypt(password, b64decode(salt), int(n), int(r), int(p))
        return kind == "scrypt" and hmac.compare_digest(found, b64decode(digest))
    except (ValueError, NotBase64):
        return False


def require_good(password: str) -> None:
    """Raise BadRequest where it is too short, too long or a single character repeated."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise BadRequest(f"A password has {SHORTEST} to {LONGEST} characters.", field="password")
    if len(set(password)) < 3:
        raise BadRequest("This password is guessed at once.", field="password")


def random_words(groups: int) -> str:
    """Something to type off a screen, 20 bits a group: `7KQ2-M9XD`."""
    letters = ("".join(secrets.choice(ALPHABET) for _ in range(4)) for _ in range(groups))
    return "-".join(letters)


def typed(code: str) -> str:
    """A code as it was meant, however it was typed."""
    return "".join(letter for letter in code.upper() if letter.isalnum())


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    data = unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
    return hashlib.scrypt(data, salt=salt, n=n, r=r, p=p, maxmem=_MOST)


def _text(data: bytes) -> str:
    return b64encode(data).decode()
