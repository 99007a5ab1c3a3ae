"""Files of states: whole or not there, never loaded unless right to the last bit, bounded, for nobody else to read."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bramble.engine.kept import MOST_DAYS, KeptFiles
from bramble.engine.keptfile import (
    CHUNK,
    conversation_file,
    file_size,
    forget_all_but,
    forget_files,
    role_file,
)

MODEL, OTHER_MODEL = b"m" * 32, b"o" * 32
TOKENS = list(range(100))
STATE = bytearray(os.urandom(3 * CHUNK // 2))
LONG_AGO = 1_000_000_000.0


def files(folder: Path, limit: int = 1 << 30, model: bytes = MODEL, leave: int = 0) -> KeptFiles:
    return KeptFiles(folder, limit, model, row_ms=lambda: 1.0, bytes_ms=1e6, leave=leave)


def put(
    kept: KeptFiles,
    tokens: list[int] = TOKENS,
    state: bytearray = STATE,
    conversation: str = "",
    used: float = 0.0,
) -> None:
    for _ in kept.write(path(kept.folder, tokens, conversation), tokens, state, used):
        pass


def path(
    folder: Path, tokens: list[int], conversation: str = "", system: str = "Be brief."
) -> Path:
    if conversation:
        return conversation_file(folder, conversation)
    return role_file(folder, system, tokens)


def read(kept: KeptFiles, tokens: list[int] = TOKENS, conversation: str = "") -> bytearray | None:
    found, _ = kept.best([*tokens, -1], conversation)
    return kept.read(found) if found is not None else None


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_what_was_written_is_read_in_the_next_life(tmp_path: Path) -> None:
    put(files(tmp_path / "new" / "folder"))
    again = files(tmp_path / "new" / "folder")
    found, size = again.best([*TOKENS, 7, 8], "")
    assert found is not None
    assert size == len(TOKENS)
    assert again.read(found) == STATE
    again.worked(found)
    assert read(files(tmp_path / "new" / "folder")) == STATE


def test_nobody_else_reads_it(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    os.umask(os.umask(0))
    put(files(folder))
    (file,) = folder.iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "damage",
    ["cut", "longer", "flipped token", "flipped state", "flipped digest", "empty", "garbage"],
)
def test_a_damaged_file_is_never_loaded_and_can_be_replaced(tmp_path: Path, damage: str) -> None:
    put(files(tmp_path))
    file = path(tmp_path, TOKENS)
    data = bytearray(file.read_bytes())
    at = {"flipped token": 70, "flipped state": len(data) // 2, "flipped digest": -1}
    if damage in at:
        data[at[damage]] ^= 1
    changed = {
        "cut": data[:-CHUNK],
        "longer": data + b"\0",
        "empty": bytearray(),
        "garbage": bytearray(os.urandom(len(data))),
    }
    file.write_bytes(changed.get(damage, data))
    again = files(tmp_path)
    assert read(again) is None
    assert names(tmp_path) == [] or damage == "flipped token"  # nobody asks for those tokens
    put(again)
    assert read(files(tmp_path)) == STATE


def test_another_models_states_are_not_read_but_count_and_come_back(tmp_path: Path) -> None:
    put(files(tmp_path), conversation="c")
    put(files(tmp_path))
    other = files(tmp_path, model=OTHER_MODEL)
    assert other.size == sum(file.stat().st_size for file in tmp_path.iterdir())
    assert read(other) is None
    assert read(other, conversation="c") is None
    assert other.newest_role() is None
    assert read(files(tmp_path), conversation="c") == STATE
    put(other)  # in the place of the other model's
    assert read(files(tmp_path)) is None
    assert read(files(tmp_path, model=OTHER_MODEL)) == STATE


def test_another_models_states_are_not_kept_for_ever(tmp_path: Path) -> None:
    put(files(tmp_path), used=LONG_AGO)
    files(tmp_path, model=OTHER_MODEL)
    assert names(tmp_path) == []


def test_files_of_others_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "my-notes.txt").write_text("mine")
    files(tmp_path)
    assert names(tmp_path) == ["my-notes.txt", "notes.txt"]


def test_an_interrupted_write_leaves_what_was_there(tmp_path: Path) -> None:
    kept = files(tmp_path)
    writing = kept.write(path(tmp_path, TOKENS), TOKENS, STATE)
    next(writing)
    assert len(names(tmp_path)) == 1
    del writing  # as when the engine has no more time
    assert names(tmp_path) == []


def test_a_kill_in_the_middle_of_a_write_leaves_nothing_to_load(tmp_path: Path) -> None:
    code = f"""
import os, signal
from pathlib import Path
from tests.engine.test_kept import STATE, TOKENS, files, path
folder = Path({str(tmp_path)!r})
writing = files(folder).write(path(folder, TOKENS), TOKENS, STATE)
next(writing)
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    assert len(names(tmp_path)) == 1
    again = files(tmp_path)
    assert names(tmp_path) == []
    assert read(again) is None


def test_a_state_that_ended_the_engine_is_not_tried_again(tmp_path: Path) -> None:
    put(files(tmp_path))
    put(files(tmp_path), conversation="c")
    for conversation in ("", "c"):
        assert read(files(tmp_path), conversation=conversation) == STATE  # and dies before `worked`
    assert read(files(tmp_path)) is None
    assert read(files(tmp_path), conversation="c") is None


def test_a_conversation_is_read_by_itself_alone_and_once(tmp_path: Path) -> None:
    put(files(tmp_path), conversation="mine")
    kept = files(tmp_path)
    assert read(kept) is None
    assert read(kept, conversation="yours") is None
    assert read(kept, conversation="mine") == STATE
    assert names(tmp_path) == []


def test_a_conversation_is_not_kept_for_ever(tmp_path: Path) -> None:
    put(files(tmp_path), conversation="c", used=LONG_AGO)
    put(files(tmp_path), used=LONG_AGO)
    assert files(tmp_path).best([*TOKENS, -1], "c")[0] is not None  # the role
    assert names(tmp_path) == [path(tmp_path, TOKENS).name]
    assert MOST_DAYS == 7


def test_a_clock_that_went_back_loses_nothing(tmp_path: Path) -> None:
    put(files(tmp_path), conversation="c", used=4_000_000_000.0)
    assert read(files(tmp_path), conversation="c") == STATE


def test_the_least_recently_used_go_first(tmp_path: Path) -> None:
    one = file_size(100, CHUNK)
    kept = files(tmp_path, limit=3 * one)
    state = bytearray(CHUNK)
    for first in range(3):
        put(kept, [first, *TOKENS[1:]], state, used=LONG_AGO + first)
    found, _ = kept.best([*TOKENS, -1], "")
    assert found is not None
    assert kept.read(found) == state
    kept.worked(found)  # used now
    put(kept, [9, *TOKENS[1:]], state)
    assert [kept.holds([n, *TOKENS[1:]]) for n in (0, 1, 2, 9)] == [True, False, True, True]
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 3 * one
    put(kept, [8, *TOKENS[1:]], state, used=LONG_AGO)
    assert not kept.holds([8, *TOKENS[1:]]), "an older one took the place of newer ones"


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 400)), max_size=12))
def test_the_bytes_are_never_exceeded(
    tmp_path_factory: pytest.TempPathFactory, puts: list[tuple[int, int]]
) -> None:
    folder = tmp_path_factory.mktemp("kept")
    kept = files(folder, limit=1000)
    for first, size in puts:
        put(kept, [first, 1, 2], bytearray(size))
        on_disk = sum(file.stat().st_size for file in folder.iterdir())
        assert on_disk == kept.size <= 1000


def test_a_smaller_limit_holds_from_the_start(tmp_path: Path) -> None:
    put(files(tmp_path))
    files(tmp_path, limit=CHUNK)
    assert names(tmp_path) == []


def test_a_disk_with_little_room_is_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = files(tmp_path, leave=1 << 60)
    put(kept)
    put(kept)
    assert names(tmp_path) == []
    assert len(caplog.messages) == 1
    assert "too little room" in caplog.messages[0]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("file systems cannot be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_one_line_in_the_log(
    small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = files(small_disk, leave=-1 << 40)  # as if somebody else had filled it meanwhile
    put(kept)
    assert names(small_disk) == []
    assert len(caplog.messages) == 1
    assert "No space left on device" in caplog.messages[0]
    put(kept, state=bytearray(1000))
    assert read(files(small_disk)) == bytearray(1000)


def test_a_folder_that_cannot_be_made_is_one_line_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no folder")
    put(files(tmp_path / "file" / "kept"))
    assert len(caplog.messages) == 1


def test_deleting_takes_every_trace_and_nothing_else(tmp_path: Path) -> None:
    kept = files(tmp_path)
    for conversation in ("one", "two", "three"):
        put(kept, conversation=conversation)
    put(kept)
    conversation_file(tmp_path, "one").with_suffix(".unfinished").touch()
    put_other = kept.write(path(tmp_path, TOKENS, system="Mine."), TOKENS, STATE)
    assert list(put_other)
    forget_files(tmp_path, ["one", "never there"], ["Mine."])
    assert len(names(tmp_path)) == 3
    forget_all_but(tmp_path, ["two"])
    expected = [conversation_file(tmp_path, "two"), path(tmp_path, TOKENS)]
    assert names(tmp_path) == [file.name for file in expected]
    forget_all_but(tmp_path / "nowhere", [])


def test_the_name_tells_nothing(tmp_path: Path) -> None:
    assert "secret" not in conversation_file(tmp_path, "secret").name
