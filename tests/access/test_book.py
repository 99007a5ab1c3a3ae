"""The file of who may sign in, its sessions and its setup code: what is on the disk, and for whom."""

import os
from pathlib import Path

import pytest

from bramble import durable
from bramble.access import book, passwords, setup
from bramble.access.book import Book, BookDamaged
from bramble.access.sessions import Sessions
from bramble.errors import BadRequest, NotFound


def test_a_password_is_kept_as_a_hash_that_nothing_else_matches() -> None:
    kept = passwords.hashed("pässwörd 密码")
    assert "w" not in kept.removeprefix("scrypt$16384$8$5$") or "pässwörd" not in kept
    assert passwords.matches("pa\u0308sswo\u0308rd 密码", kept)  # the same letters, typed otherwise
    for other in ("", "pässwörd", "pässwörd 密码 "):
        assert not passwords.matches(other, kept)
    for nonsense in ("", "scrypt", "plain$1$1$1$$", "scrypt$x$8$5$$", kept[:-4]):
        assert not passwords.matches("pässwörd 密码", nonsense)


@pytest.mark.parametrize("bad", ["", "short", "aaaaaaaaaa", "x" * 2000])
def test_bad_passwords_are_refused(bad: str) -> None:
    with pytest.raises(BadRequest):
        passwords.require_good(bad)


def test_only_its_owner_reads_the_file_and_no_secret_is_in_it(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with Book(state).change() as contents:
        book.add_account(contents, "ada", passwords.hashed("a good password"))
        _, secret = book.add_key(contents, "Home Assistant", account="ada")
    file = state / book.FILE
    assert file.stat().st_mode & 0o777 == 0o600
    assert state.stat().st_mode & 0o777 == 0o700
    text = file.read_text()
    assert "a good password" not in text
    assert secret not in text
    assert [each.name for each in state.iterdir()] == [book.FILE]  # no half file stays


def test_what_root_writes_belongs_to_the_daemon(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    os.chown(tmp_path, 12345, 12346)
    durable.replace(tmp_path / "file", b"x")
    status = (tmp_path / "file").stat()
    assert (status.st_uid, status.st_gid) == (12345, 12346)


def test_a_change_that_fails_changes_nothing(tmp_path: Path) -> None:
    reader = Book(tmp_path)
    with Book(tmp_path).change() as contents:
        book.add_account(contents, "ada", "one")
    with pytest.raises(BadRequest), Book(tmp_path).change() as contents:
        book.add_account(contents, "grace", "two")
        book.add_account(contents, "ADA", "three")
    assert list(reader.contents.accounts) == ["ada"]


def test_another_process_changes_are_seen(tmp_path: Path) -> None:
    reader = Book(tmp_path)
    assert reader.password_of("ada") == ""
    with Book(tmp_path).change() as contents:
        book.add_account(contents, "ada", "one")
        id, secret = book.add_key(contents, "laptop", account="ada")
    assert reader.password_of("ada") == "one"
    found = reader.key(secret)
    assert found is not None and found[0] == id
    with Book(tmp_path).change() as contents:
        book.remove_account(contents, "ada")
    assert reader.key(secret) is None  # an account's keys go with it
    assert reader.stamp("ada") == ""


def test_names_and_what_is_not_there(tmp_path: Path) -> None:
    with Book(tmp_path).change() as contents:
        for name in ("", "admin", "Admin", "a:b", "-x", "x" * 41, "a\nb"):
            with pytest.raises(BadRequest):
                book.add_account(contents, name, "one")
        book.add_account(contents, "小明", "one")
        book.add_account(contents, "Ada L.", "one")
        with pytest.raises(NotFound):
            book.remove_account(contents, "nobody")
        with pytest.raises(NotFound):
            book.add_key(contents, "key", account="nobody")
        with pytest.raises(NotFound):
            book.remove_key(contents, "00000000")


def test_a_damaged_file_lets_nobody_in_and_says_so(tmp_path: Path) -> None:
    (tmp_path / book.FILE).write_text("{")
    with pytest.raises(BookDamaged):
        _ = Book(tmp_path).contents


def test_sessions_outlive_the_daemon_and_end_with_the_password(tmp_path: Path) -> None:
    now = 1e9
    people = Book(tmp_path)
    with people.change() as contents:
        contents.admin = "one"
        book.add_account(contents, "ada", "two")

    def sessions() -> Sessions:
        return Sessions(tmp_path, people, clock=lambda: now)

    token, hers = sessions().begin("admin"), sessions().begin("ada")
    found = sessions().find(hers)
    assert found is not None and found[1] == "ada"
    assert token not in (tmp_path / "sessions.json").read_text()
    assert (tmp_path / "sessions.json").stat().st_mode & 0o777 == 0o600
    now += 2 * 86_400
    assert sessions().find(token) is None  # an admin who left two days ago
    assert sessions().find(hers) is not None
    with people.change() as contents:
        book.set_password(contents, "ada", "three")
    assert sessions().find(hers) is None
    assert sessions().find("") is None


def test_the_setup_code_is_forgiving_and_private(tmp_path: Path) -> None:
    code = setup.read_or_make(tmp_path)
    assert setup.read_or_make(tmp_path) == code
    assert (tmp_path / setup.FILE).stat().st_mode & 0o777 == 0o600
    assert setup.is_right(code.lower().replace("-", " "), tmp_path)
    for wrong in ("", "-", code[:-1], code + "X"):
        assert not setup.is_right(wrong, tmp_path)
    setup.remove(tmp_path)
    assert not setup.is_right(code, tmp_path)
    assert not setup.is_right("", tmp_path)
