"""`bramble update` on an appliance whose releases are real ones of a tiny Bramble; a recorder stands for systemd.

With a real systemd and the real Bramble: tests/deploy/test_appliance.py.
"""

import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from bramble import __version__
from bramble.cli import main
from bramble.config import Config
from bramble.errors import BrambleError
from bramble.updates.command import NotHere, Update
from bramble.updates.pack import BadPack
from bramble.updates.releases import NotInstalled
from bramble.updates.signature import Untrusted
from tests.models.hub import hub
from tests.updates.appliance import Appliance
from tests.updates.packs import PYTHON, Keys, house, pack, run

UNITS = Path(__file__).parents[2] / "systemd"
RESTART = ["reset-failed bramble.service", "restart bramble.service"]


def test_an_update_becomes_the_release_that_runs(
    update: Update,
    appliance: Appliance,
    keys: Keys,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = pack(house(tmp_path / "house", "9.9.0"), keys, tmp_path / "out")
    assert file.name == "bramble-9.9.0-amd64.tar"
    update.run(str(file), keys.public, older=False)
    assert appliance.version() == "9.9.0"
    assert appliance.asked == ["daemon-reload", *RESTART, "enable --now bramble-update.path"]
    names = {each.name for each in appliance.units.iterdir()}
    assert names == {each.name for each in UNITS.iterdir()} >= {"bramble.socket", "bramble.service"}
    assert list(appliance.root.glob(".update-*")) == []
    told = capsys.readouterr().out
    assert "moods is new: True" in told
    assert "Signed: Bramble 9.9.0 for amd64" in told and "Bramble 9.9.0 answers." in told
    update.run(str(file), keys.public, older=False)
    assert "runs already" in capsys.readouterr().out
    assert len(appliance.asked) == 4
    update.back()
    assert appliance.version() == __version__
    assert appliance.asked[4:] == RESTART


def test_one_that_does_not_answer_is_taken_back(
    update: Update, appliance: Appliance, keys: Keys, tmp_path: Path
) -> None:
    (appliance.units / "bramble.service").write_text("as it was")
    appliance.broken.add("9.9.0")
    file = pack(house(tmp_path / "house", "9.9.0"), keys, tmp_path / "out")
    with pytest.raises(NotInstalled, match=f"9.9.0 did not answer; {__version__} is back") as error:
        update.run(str(file), keys.public, older=False)
    assert error.value.hint == "what the journal says"
    assert appliance.version() == __version__
    assert [each.name for each in appliance.units.iterdir()] == ["bramble.service"]
    assert (appliance.units / "bramble.service").read_text() == "as it was"
    assert appliance.asked == ["daemon-reload", *RESTART] * 2
    appliance.broken.clear()
    update.run(str(file), keys.public, older=False)  # it was mended elsewhere
    assert appliance.version() == "9.9.0"


def test_one_that_does_not_like_the_settings_never_runs(
    update: Update, appliance: Appliance, keys: Keys, tmp_path: Path
) -> None:
    wheels = house(tmp_path / "house", "9.9.0", said="engine.cotext is unknown", status=78)
    with pytest.raises(NotInstalled, match="settings that are here") as error:
        update.run(str(pack(wheels, keys, tmp_path / "out")), keys.public, older=False)
    assert error.value.hint == "engine.cotext is unknown"
    assert appliance.version() == __version__
    assert appliance.asked == []


def test_two_releases_are_kept(
    update: Update, appliance: Appliance, keys: Keys, tmp_path: Path
) -> None:
    for version in ("9.1.0", "9.2.0", "9.3.0"):
        (appliance.root / f"releases/cut-before-{version}").mkdir()
        wheels = house(tmp_path / version, version)
        update.run(str(pack(wheels, keys, tmp_path / f"out{version}")), keys.public, older=False)
    assert len(list((appliance.root / "releases").iterdir())) == 2
    update.back()
    assert appliance.version() == "9.2.0"


def test_only_an_older_one_has_to_be_asked_for(
    update: Update, appliance: Appliance, keys: Keys, tmp_path: Path
) -> None:
    file = str(pack(house(tmp_path / "house", "0.0.9"), keys, tmp_path / "out"))
    with pytest.raises(BadPack, match=r"0\.0\.9, which is older"):
        update.run(file, keys.public, older=False)
    assert appliance.version() == __version__
    update.run(file, keys.public, older=True)
    assert appliance.version() == "0.0.9"


def test_an_attempt_that_was_cut_leaves_nothing_in_the_way(
    update: Update, appliance: Appliance, keys: Keys, tmp_path: Path
) -> None:
    wheels = house(tmp_path / "house", "9.9.0")
    file = pack(wheels, keys, tmp_path / "out")
    half = update._releases.place(wheels / f"requirements-{PYTHON}.lock")  # pyright: ignore[reportPrivateUsage]
    (half / "bin").mkdir(parents=True)
    (half / "bin/python3").write_text("half")
    (appliance.root / ".update-cut").mkdir()
    update.run(str(file), keys.public, older=False)
    assert appliance.version() == "9.9.0"
    assert list(appliance.root.glob(".update-*")) == []


def test_it_comes_from_an_address(
    update: Update, appliance: Appliance, keys: Keys, tmp_path: Path
) -> None:
    file = pack(house(tmp_path / "house", "9.9.0"), keys, tmp_path / "out")
    with hub() as server:
        with pytest.raises(BadPack, match="answers 404"):
            update.run(f"{server.url}/{file.name}", keys.public, older=False)
        for suffix in ("", ".minisig"):
            content = file.with_name(file.name + suffix).read_bytes()
            server.files[f"/{file.name}{suffix}"] = content
        update.run(f"{server.url}/{file.name}", keys.public, older=False)
    assert appliance.version() == "9.9.0"


def changed(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"x")


def climbing(file: Path) -> None:
    """A tar with a way out of its folder, and another with a link."""
    with tarfile.open(file, "w") as tar:
        tar.add(__file__, "../../etc/passwd.whl")


def linking(file: Path) -> None:
    with tarfile.open(file, "w") as tar:
        link = tarfile.TarInfo("a.whl")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)


def garbage(file: Path) -> None:
    file.write_bytes(b"no tar " * 1000)


def empty(file: Path) -> None:
    with tarfile.open(file, "w"):
        pass


@pytest.mark.parametrize(
    "spoil, error, words",
    [
        (climbing, BadPack, r"it holds \.\./\.\./etc"),
        (linking, BadPack, "it holds a.whl"),
        (garbage, BadPack, "is no update"),
        (empty, BadPack, "not for Python"),
    ],
)
def test_what_is_no_update_changes_nothing(
    update: Update,
    appliance: Appliance,
    keys: Keys,
    tmp_path: Path,
    spoil: Callable[[Path], None],
    error: type[BrambleError],
    words: str,
) -> None:
    """Also where somebody signed it."""
    file = tmp_path / "update.tar"
    spoil(file)
    run("minisign", "-S", "-s", keys.secret, "-m", file)
    with pytest.raises(error, match=words):
        update.run(str(file), keys.public, older=False)
    assert appliance.asked == []
    assert [each.name for each in (appliance.root / "releases").iterdir()] == ["first"]


def test_a_pack_that_was_changed_is_never_opened(
    update: Update, appliance: Appliance, keys: Keys, tmp_path: Path
) -> None:
    file = pack(house(tmp_path / "house", "9.9.0"), keys, tmp_path / "out")
    changed(file)
    with pytest.raises(Untrusted):
        update.run(str(file), keys.public, older=False)
    assert [each.name for each in (appliance.root / "releases").iterdir()] == ["first"]


def test_a_wheel_that_is_not_the_locked_one_is_not_installed(
    update: Update, appliance: Appliance, keys: Keys, tmp_path: Path
) -> None:
    wheels = house(tmp_path / "house", "9.9.0")
    changed(wheels / "bramble-9.9.0-py3-none-any.whl")
    with pytest.raises(NotInstalled, match="wheels could not be installed"):
        update.run(str(pack(wheels, keys, tmp_path / "out")), keys.public, older=False)
    assert appliance.version() == __version__


def test_it_says_where_it_cannot_work(
    config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(NotHere, match="not an appliance"):
        Update(config, tmp_path / "none").run("file", tmp_path / "key", older=False)
    assert main(["update"]) == 1
    assert "Which update?" in capsys.readouterr().err


def test_nobody_but_root_updates(
    update: Update, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(NotHere, match="Only root"):
        update.run("file", keys.public, older=False)


def test_a_file_that_is_not_there_is_named(
    update: Update, appliance: Appliance, keys: Keys
) -> None:
    with pytest.raises(BadPack, match=r"no file nothing\.tar"):
        update.run("nothing.tar", keys.public, older=False)
