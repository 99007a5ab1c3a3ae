"""Signatures of minisign (https://jedisct1.github.io/minisign/#signature-format), verified by OpenSSL.

Only the prehashed form (ED) is taken, which minisign writes since 0.10: what is signed is the file's BLAKE2b digest.
"""

import binascii
import hashlib
import subprocess
import tempfile
from base64 import b64decode
from pathlib import Path
from typing import NamedTuple

from bramble.errors import BrambleError

_SPKI = bytes.fromhex("302a300506032b6570032100")
"""What stands before an Ed25519 key in DER (RFC 8410)."""
_SECONDS = 60


class Untrusted(BrambleError):
    """A file is not what somebody signed whose key is known here."""

    code = "untrusted"


class _Signature(NamedTuple):
    key_id: bytes
    of_file: bytes
    of_comment: bytes
    comment: str


def verify(file: Path, signature: Path, key: Path) -> str:
    """Hold `file` against its `.minisig` and a public key; returns the signed comment. Raises Untrusted."""
    key_id, public = _read_key(key)
    told = _read_signature(signature)
    if told.key_id != key_id:
        raise Untrusted(
            f"{signature.name} was made with key {_shown(told.key_id)}, {key} is key {_shown(key_id)}.",
            "Use the key of whoever made this update, if you trust them: --key FILE.",
        )
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "blake2b").digest()
    with tempfile.TemporaryDirectory() as folder:
        checks = (
            (digest, told.of_file),
            (told.of_file + told.comment.encode(), told.of_comment),
        )
        if not all(_is_signed(Path(folder), public, *each) for each in checks):
            raise Untrusted(
                f"{file.name} is not what was signed.",
                "It was damaged or changed on its way: get it again.",
            )
    return told.comment


def _read_key(key: Path) -> tuple[bytes, bytes]:
    raw = _decoded(_lines(key, "A public key of minisign"), 1, 42, key)
    return raw[2:10], raw[10:]


def _read_signature(file: Path) -> _Signature:
    lines = _lines(file, "The signature of the update")
    raw = _decoded(lines, 1, 74, file)
    comment = lines[2].removeprefix("trusted comment: ") if len(lines) > 2 else ""
    if raw[:2] != b"ED":
        raise Untrusted(f"{file.name} is of an old form.", "Sign with minisign 0.10 or newer.")
    return _Signature(raw[2:10], raw[10:], _decoded(lines, 3, 64, file), comment)


def _lines(file: Path, what: str) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise Untrusted(f"{what} is missing: {file}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise Untrusted(f"{file} cannot be read: {error}.") from error


def _decoded(lines: list[str], at: int, size: int, file: Path) -> bytes:
    try:
        raw = b64decode(lines[at], validate=True)
    except (IndexError, binascii.Error):
        raw = b""
    if len(raw) != size:
        raise Untrusted(f"{file} is no key or signature of minisign.")
    return raw


def _shown(key_id: bytes) -> str:
    """As minisign shows it: without zeros in front."""
    return f"{int.from_bytes(key_id[::-1]):X}"


def _is_signed(folder: Path, public: bytes, message: bytes, signature: bytes) -> bool:
    files = [folder / name for name in ("key", "message", "signature")]
    for file, content in zip(files, (_SPKI + public, message, signature), strict=True):
        file.write_bytes(content)
    key, what, by = map(str, files)
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", key]
    command += ["-rawin", "-in", what, "-sigfile", by]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Untrusted(
            f"The signature cannot be checked: {error}.", "Install OpenSSL: apt install openssl."
        ) from error
    return done.returncode == 0
