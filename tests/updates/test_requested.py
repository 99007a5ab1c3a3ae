"""An update that the page asks for, as root takes it: real packs and signatures, and what a broken daemon may leave."""

from pathlib import Path

import pytest

from bramble.errors import BadRequest
from bramble.updates.command import Update
from bramble.updates.requested import FOLDER, PACK, REQUEST, SIGNATURE, Request, leave
from bramble.updates.signature import Untrusted
from tests.models.hub import hub
from tests.updates.appliance import Appliance
from tests.updates.packs import Keys, house, pack


@pytest.fixture
def brought(appliance: Appliance, keys: Keys, tmp_path: Path) -> Path:
    """The folder in which the daemon leaves the files of version 9.9.0."""
    file = pack(house(tmp_path / "house", "9.9.0"), keys, tmp_path / "out")
    folder = appliance.state_dir / FOLDER
    folder.mkdir()
    file.rename(folder / PACK)
    file.with_name(file.name + ".minisig").rename(folder / SIGNATURE)
    return folder


def test_what_the_page_brought_is_installed_once(
    update: Update, appliance: Appliance, keys: Keys, brought: Path
) -> None:
    leave(appliance.state_dir, Request())
    update.run_requested(keys.public)
    assert appliance.version() == "9.9.0"
    assert not (brought / REQUEST).exists()
    with pytest.raises(BadRequest, match="Nobody has asked"):
        update.run_requested(keys.public)


def test_what_is_not_signed_is_not_installed_whoever_asks(
    update: Update, appliance: Appliance, keys: Keys, brought: Path
) -> None:
    before = appliance.version()
    (brought / PACK).write_bytes((brought / PACK).read_bytes() + b"x")
    leave(appliance.state_dir, Request())
    with pytest.raises(Untrusted):
        update.run_requested(keys.public)
    assert appliance.version() == before
    assert not (brought / REQUEST).exists(), "systemd would ask again and again"


def test_an_address_is_fetched(
    update: Update, appliance: Appliance, keys: Keys, brought: Path
) -> None:
    with hub() as server:
        for name in (PACK, SIGNATURE):
            server.files[f"/{name}"] = (brought / name).read_bytes()
        leave(appliance.state_dir, Request(f"{server.url}/{PACK}"))
        update.run_requested(keys.public)
    assert appliance.version() == "9.9.0"


def test_a_request_that_is_no_file_of_its_own_leads_nowhere(
    update: Update, appliance: Appliance, keys: Keys, brought: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text('{"address": "http://elsewhere/"}')
    (brought / REQUEST).symlink_to(secret)
    with pytest.raises(BadRequest, match="cannot be read"):
        update.run_requested(keys.public)
    assert secret.exists() and not (brought / REQUEST).is_symlink()
    (brought / REQUEST).write_text("nonsense")
    with pytest.raises(BadRequest, match="cannot be read"):
        update.run_requested(keys.public)
    assert not (brought / REQUEST).exists()
