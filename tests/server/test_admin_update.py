"""Updates from the page: what is brought, what is asked of systemd, and how it went, as the admin is told."""

import json
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import pytest

from bramble.access.book import Book
from bramble.updates.requested import FOLDER, PACK, PATH_UNIT, REQUEST, SIGNATURE, TOLD
from tests.conftest import Start
from tests.server.test_admin import Admin, claimed
from tests.server.test_session import PASSWORD, basic

__all__ = ["claimed"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine whose systemd waits for updates."""
    root = tmp_path / "root"
    (root / PATH_UNIT).parent.mkdir(parents=True)
    (root / PATH_UNIT).touch()
    (root / TOLD).mkdir(parents=True)
    return root


@pytest.fixture
async def admin(start: Start, root: Path, claimed: Book) -> AsyncIterator[Admin]:
    async with start(root=root) as daemon:
        yield Admin(daemon.http, daemon.url)


async def bring(admin: Admin, name: str, data: bytes) -> int:
    """The status of bringing a file."""
    url = f"{admin.url}/api/admin/update/{name}"
    async with admin.http.put(
        url, data=BytesIO(data), headers=basic("admin", PASSWORD)
    ) as response:
        return response.status


async def test_two_files_become_a_request(admin: Admin, root: Path, tmp_path: Path) -> None:
    folder = tmp_path / FOLDER
    assert (await admin("GET", "update"))[1] == {
        "possible": True,
        "running": False,
        "told": [],
        "well": None,
    }
    assert await bring(admin, PACK, b"p" * 3_000_000) == 201
    status, told = await admin("POST", "update", {})
    assert (status, "one of them is missing" in told["error"]["message"]) == (400, True)
    assert await bring(admin, SIGNATURE, b"signed") == 201
    assert (await admin("POST", "update", {}))[0] == 202
    assert (folder / PACK).read_bytes() == b"p" * 3_000_000
    assert json.loads((folder / REQUEST).read_bytes()) == {"address": ""}
    assert (folder / REQUEST).stat().st_mode & 0o077 == 0
    assert (await admin("GET", "update"))[1]["running"]
    status, told = await admin("POST", "update", {})
    assert (status, told["error"]["code"]) == (409, "updating")
    assert await bring(admin, PACK, b"another") == 409
    assert (folder / PACK).stat().st_size == 3_000_000


async def test_how_it_went_is_told(admin: Admin, root: Path, tmp_path: Path) -> None:
    (root / TOLD / "told").write_text("Signed: x\nInstalling …\n")
    told = (await admin("GET", "update"))[1]
    assert (told["running"], told["told"], told["well"]) == (
        True,
        ["Signed: x", "Installing …"],
        None,
    )
    (root / TOLD / "result").write_text("exit-code\n")
    told = (await admin("GET", "update"))[1]
    assert (told["running"], told["well"]) == (False, False)
    (root / TOLD / "result").write_text("success\n")
    assert (await admin("GET", "update"))[1]["well"]


async def test_an_address_is_asked_for_and_nonsense_is_not(admin: Admin, tmp_path: Path) -> None:
    for address in ("file:///etc/shadow", "/etc/shadow", "gopher://x", "http://x/y.tar"):
        status, told = await admin("POST", "update", {"address": address})
        assert (status, told["error"]["code"]) == (400, "bad_request")
    assert not (tmp_path / FOLDER / REQUEST).exists()
    address = "https://updates.example/bramble.tar"
    assert (await admin("POST", "update", {"address": address}))[0] == 202
    assert json.loads((tmp_path / FOLDER / REQUEST).read_bytes()) == {"address": address}


async def test_bad_files_leave_nothing(admin: Admin, tmp_path: Path) -> None:
    assert await bring(admin, SIGNATURE, b"x" * 5000) == 413
    assert await bring(admin, PACK, b"") == 400
    assert await bring(admin, "..%2Fconfig.yaml", b"x") == 404
    assert list((tmp_path / FOLDER).iterdir()) == []


async def test_a_machine_without_the_unit_says_so(start: Start, claimed: Book) -> None:
    async with start() as daemon:
        admin = Admin(daemon.http, daemon.url)
        assert not (await admin("GET", "update"))[1]["possible"]
        status, told = await admin("POST", "update", {"address": "https://x/y.tar"})
        assert (status, told["error"]["code"]) == (409, "not_possible")
        assert await bring(admin, PACK, b"x") == 409
