"""What is on disk, and what `engine.model` stands for."""

from pathlib import Path

import pytest

from bramble.errors import NotFound
from bramble.models.catalogue import find
from bramble.models.library import is_intact, is_present, location, resolve

STARTER = find("starter")


def test_nothing_is_there_at_first(tmp_path: Path) -> None:
    assert not is_present(STARTER, tmp_path)
    with pytest.raises(NotFound, match="starter is not on disk yet") as caught:
        resolve("starter", tmp_path)
    assert "bramble models fetch starter" in caught.value.hint


def test_half_a_file_is_told_apart(tmp_path: Path) -> None:
    location(STARTER, tmp_path).write_bytes(b"GGUF")
    assert not is_present(STARTER, tmp_path)
    with pytest.raises(NotFound, match="starter is incomplete on disk"):
        resolve("starter", tmp_path)


def test_the_right_length_is_present_but_not_intact(tmp_path: Path) -> None:
    with location(STARTER, tmp_path).open("wb") as file:
        file.truncate(STARTER.size)
    assert is_present(STARTER, tmp_path)
    assert not is_intact(STARTER, tmp_path)
    assert resolve("starter", tmp_path) == location(STARTER, tmp_path)


def test_a_path_is_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "own.gguf"
    file.write_bytes(b"GGUF")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in (str(file), "own.gguf", "./own.gguf", "~/own.gguf"):
        assert resolve(name, tmp_path / "models") == file.resolve()


@pytest.mark.parametrize("name", ["no/such/file", "nothing.gguf", "..", "nul\0.gguf"])
def test_a_path_that_leads_nowhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotFound):
        resolve(name, tmp_path)
