"""The page and its files, the headers that all answers carry, and the two health routes."""

import re
from pathlib import Path

import pytest

from bramble.engine.client import Phase
from bramble.server.pages import PageMissing, Pages, folder
from tests.conftest import Start
from tests.daemons import Running

PLAIN = {"Accept-Encoding": "identity"}


async def files(daemon: Running) -> list[str]:
    """What the page refers to."""
    async with daemon.http.get(daemon.url) as response:
        assert response.status == 200
        return re.findall(r'"(/static/[^"]+)"', await response.text())


async def test_the_page_brings_all_it_refers_to(daemon: Running) -> None:
    for path in await files(daemon):
        async with daemon.http.get(daemon.url + path) as response:
            assert response.status == 200
            assert "immutable" in response.headers["Cache-Control"]


async def test_every_file_is_served_as_it_is_on_disk(daemon: Running) -> None:
    static = "/".join((await files(daemon))[0].split("/")[:3])
    for file in folder().rglob("*"):
        if file.is_file() and file.name != "index.html":
            path = f"{daemon.url}{static}/{file.relative_to(folder()).as_posix()}"
            async with daemon.http.get(path, headers=PLAIN) as plain:
                assert await plain.read() == file.read_bytes()
            async with daemon.http.get(path) as small:
                assert await small.read() == file.read_bytes()
            assert int(small.headers["Content-Length"]) <= int(plain.headers["Content-Length"])
            assert small.content_type != "application/octet-stream" or "." not in file.name


async def test_the_page_is_sent_again_only_when_it_changed(daemon: Running) -> None:
    async with daemon.http.get(daemon.url) as response:
        assert response.headers["Cache-Control"] == "no-cache"
        tag = response.headers["ETag"]
    for known, status in ((tag, 304), ('"old"', 200)):
        async with daemon.http.get(daemon.url, headers={"If-None-Match": known}) as response:
            assert response.status == status
    async with daemon.http.head(daemon.url) as response:
        assert response.status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/static/",
        "/static/../../pyproject.toml",
        "/static/%2e%2e/%2e%2e/pyproject.toml",
        "/static/0000/app.js",
        "/index.html",
        "/favicon.ico",
    ],
)
async def test_nothing_else_is_served(daemon: Running, path: str) -> None:
    async with daemon.http.get(daemon.url + path) as response:
        assert response.status == 404
        assert (await response.json())["error"]["code"] == "not_found"


def test_the_folder_of_the_files_changes_with_any_of_them(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text('<script src="{{static}}/a.js"></script>')
    (tmp_path / "a.js").write_text("1")
    before = Pages(tmp_path).static
    (tmp_path / "a.js").write_text("2")
    assert Pages(tmp_path).static != before


def test_an_installation_without_a_page_is_told(tmp_path: Path) -> None:
    with pytest.raises(PageMissing, match="page is missing"):
        Pages(tmp_path)


async def test_a_drawing_that_is_opened_by_itself_runs_nothing(daemon: Running) -> None:
    icon = next(path for path in await files(daemon) if path.endswith("icon.svg"))
    async with daemon.http.get(daemon.url + icon) as response:
        assert response.headers["Content-Security-Policy"] == "default-src 'none'"
        assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/v1/models", "/nothing"])
async def test_every_answer_carries_the_guards(daemon: Running, path: str) -> None:
    async with daemon.http.get(daemon.url + path) as response:
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.headers["Server"] == "Bramble"


async def test_health_and_readiness(daemon: Running) -> None:
    await daemon.until(Phase.READY)
    for path, status in (("/healthz", "alive"), ("/readyz", "ready")):
        async with daemon.http.get(daemon.url + path) as response:
            assert response.status == 200
            assert (await response.json())["status"] == status


async def test_while_loading_it_is_alive_and_not_ready(start: Start) -> None:
    async with start(engine=["--slow-load"]) as daemon:
        await daemon.until(Phase.LOADING)
        async with daemon.http.get(f"{daemon.url}/healthz") as response:
            assert response.status == 200
        async with daemon.http.get(f"{daemon.url}/readyz") as response:
            assert response.status == 503
            assert "Retry-After" in response.headers
            assert (await response.json())["fraction"] == 0.5
