"""Signatures as minisign makes them, and everything that is none."""

from base64 import b64decode, b64encode
from pathlib import Path

import pytest

from bramble.updates.signature import Untrusted, verify
from tests.updates.packs import Keys, run


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path)


@pytest.fixture
def signed(keys: Keys, tmp_path: Path) -> Path:
    """A file with its signature beside it."""
    file = tmp_path / "update.tar"
    file.write_bytes(b"wheels " * 100_000)
    run("minisign", "-S", "-s", keys.secret, "-m", file, "-t", "Bramble 9.9 für 树莓派")
    return file


def signature(file: Path) -> Path:
    return file.with_name(file.name + ".minisig")


def test_what_was_signed_is_taken_and_its_comment_told(keys: Keys, signed: Path) -> None:
    assert verify(signed, signature(signed), keys.public) == "Bramble 9.9 für 树莓派"


def test_a_changed_file_is_refused(keys: Keys, signed: Path) -> None:
    content = bytearray(signed.read_bytes())
    content[123_456] ^= 1
    signed.write_bytes(content)
    with pytest.raises(Untrusted, match="not what was signed"):
        verify(signed, signature(signed), keys.public)


def test_a_changed_comment_is_refused(keys: Keys, signed: Path) -> None:
    told = signature(signed)
    told.write_text(told.read_text().replace("Bramble 9.9", "Bramble 9.8"))
    with pytest.raises(Untrusted, match="not what was signed"):
        verify(signed, told, keys.public)


def test_a_stranger_s_key_is_named(keys: Keys, signed: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Keys(tmp_path / "other")
    number = keys.public.read_text().split()[5]
    with pytest.raises(Untrusted, match=f"made with key {number}"):
        verify(signed, signature(signed), other.public)


def test_a_key_s_number_is_shown_as_minisign_shows_it(keys: Keys, signed: Path) -> None:
    lines = signature(signed).read_text().splitlines()
    raw = bytearray(b64decode(lines[1]))
    raw[2:10] = (0x0DE7E18816539F1F).to_bytes(8, "little")
    lines[1] = b64encode(raw).decode()
    signature(signed).write_text("\n".join(lines) + "\n")
    with pytest.raises(Untrusted, match="made with key DE7E18816539F1F,"):
        verify(signed, signature(signed), keys.public)


def test_a_stranger_who_takes_the_key_s_number_is_refused(
    keys: Keys, signed: Path, tmp_path: Path
) -> None:
    """The number says which key to try, not who signed."""
    (tmp_path / "other").mkdir()
    stranger = Keys(tmp_path / "other")
    run("minisign", "-S", "-s", stranger.secret, "-m", signed)
    lines = signature(signed).read_text().splitlines()
    raw = bytearray(b64decode(lines[1]))
    raw[2:10] = b64decode(keys.public.read_text().splitlines()[1])[2:10]
    lines[1] = b64encode(raw).decode()
    signature(signed).write_text("\n".join(lines) + "\n")
    with pytest.raises(Untrusted, match="not what was signed"):
        verify(signed, signature(signed), keys.public)


@pytest.mark.parametrize("text", ["", "a\n", "a\nb\nc\nd\n", "a\n" + "A" * 200 + "\n", "\udcff"])
def test_garbage_is_said_to_be_none(keys: Keys, signed: Path, text: str) -> None:
    signature(signed).write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(Untrusted, match=r"minisign|cannot be read"):
        verify(signed, signature(signed), keys.public)


def test_a_missing_signature_and_a_missing_key_are_told(
    keys: Keys, signed: Path, tmp_path: Path
) -> None:
    with pytest.raises(Untrusted, match="public key of minisign is missing"):
        verify(signed, signature(signed), tmp_path / "none.pub")
    signature(signed).unlink()
    with pytest.raises(Untrusted, match="signature of the update is missing"):
        verify(signed, signature(signed), keys.public)
