"""The admin's routes: what they tell, what they change, what they refuse, and the line that each change leaves."""

import asyncio
import json
import logging
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import ClientSession

from bramble.access import passwords
from bramble.access.book import Book
from bramble.chat import copies
from bramble.config import load
from bramble.engine.client import Phase
from tests.conftest import Start
from tests.daemons import DEADLINE, Running
from tests.models.hub import Hub, hub
from tests.page import page
from tests.server.test_session import HERS, PASSWORD, basic

NDJSON = "application/x-ndjson"
GGUF = b"GGUF" + bytes(range(256)) * 400


class Admin:
    """Somebody who is signed in."""

    def __init__(self, http: ClientSession, url: str) -> None:
        self.http, self.url = http, url

    async def __call__(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> tuple[int, Any]:
        url = f"{self.url}/api/admin/{path}"
        headers = basic("admin", PASSWORD) | headers
        async with self.http.request(method, url, json=body, headers=headers) as response:
            data = await response.text()
            if response.content_type == "application/x-ndjson":
                return response.status, [json.loads(line) for line in data.splitlines()]
            return response.status, json.loads(data)


@pytest.fixture
def claimed(tmp_path: Path) -> Book:
    people = Book(tmp_path)
    with people.change() as contents:
        contents.admin = passwords.hashed(PASSWORD)
    return people


@pytest.fixture
async def admin(daemon: Running, claimed: Book) -> Admin:
    return Admin(daemon.http, daemon.url)


async def test_every_admin_route_is_closed_to_everybody_else(
    daemon: Running, claimed: Book
) -> None:
    await daemon.daemon.keeper.add_account("ada", HERS)
    app = daemon.daemon._http.app  # pyright: ignore[reportPrivateUsage] — its list of routes
    routes = [
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None and route.resource.canonical.startswith("/api/admin/")
    ]
    assert len(routes) > 20
    for method, path in routes:
        for headers, wanted in (({}, 401), (basic("ada", HERS), 403)):
            async with daemon.http.request(method, daemon.url + path, headers=headers) as response:
                assert response.status == wanted, (method, path)


async def test_status_tells_how_it_fares(daemon: Running, admin: Admin) -> None:
    await daemon.until(Phase.READY)
    status, body = await admin("GET", "status")
    assert status == 200
    assert body["state"]["phase"] == "ready"
    assert body["model"]["name"] == "starter"
    assert body["memory"]["daemon"] > 0
    assert body["disk"]["models"]["total"] > body["disk"]["models"]["free"] > 0
    assert body["swap"] is None


async def test_a_backup_is_a_store_to_restore(
    daemon: Running, admin: Admin, tmp_path: Path
) -> None:
    async with page(daemon.http, daemon.url) as one:
        await one.ask("say 2")
    url, headers = f"{daemon.url}/api/admin/backup", basic("admin", PASSWORD)
    async with ClientSession() as http, http.get(url, headers=headers) as response:
        assert response.status == 200
        assert response.headers["Content-Disposition"].startswith('attachment; filename="bramble-')
        copy = tmp_path / "copy.sqlite"
        copy.write_bytes(await response.read())
    copies.check(copy)
    with closing(sqlite3.connect(copy)) as database:
        asked = "SELECT text FROM messages WHERE role = 'user'"
        assert database.execute(asked).fetchall() == [("say 2",)]
    assert list(tmp_path.glob(".backup-*")) == []


async def test_a_backup_that_cannot_be_made_says_why(
    daemon: Running, admin: Admin, tmp_path: Path
) -> None:
    (tmp_path / "bramble.sqlite").rename(tmp_path / "elsewhere")
    status, body = await admin("GET", "backup")
    (tmp_path / "elsewhere").rename(tmp_path / "bramble.sqlite")
    assert status == 507
    assert "There is no" in body["error"]["message"]


async def test_accounts_and_keys(daemon: Running, admin: Admin) -> None:
    assert (await admin("POST", "accounts", {"name": "ada", "password": HERS}))[0] == 201
    assert (await admin("POST", "accounts", {"name": "ada", "password": HERS}))[0] == 400
    assert (await admin("POST", "accounts", {"name": "grace", "password": "short"}))[0] == 400
    _, listed = await admin("GET", "accounts")
    assert [each["name"] for each in listed["accounts"]] == ["ada"]
    status, key = await admin("POST", "keys", {"name": "Home Assistant", "account": "ada"})
    assert status == 201
    bearer = {"Authorization": f"Bearer {key['secret']}"}
    async with daemon.http.get(f"{daemon.url}/api/session", headers=bearer) as response:
        assert (await response.json())["signed_in"] == {"name": "ada", "admin": False}
    _, listed = await admin("GET", "keys")
    assert key["secret"] not in json.dumps(listed)
    assert [each["id"] for each in listed["keys"]] == [key["id"]]
    assert (await admin("DELETE", f"keys/{key['id']}"))[0] == 200
    async with daemon.http.get(f"{daemon.url}/api/session", headers=bearer) as response:
        assert response.status == 401
    assert (await admin("PUT", "accounts/ada/password", {"password": "another one"}))[0] == 200
    assert (await admin("DELETE", "accounts/ada"))[0] == 200
    assert (await admin("DELETE", "accounts/ada"))[0] == 404


async def test_settings_count_at_once_or_after_the_next_start(
    daemon: Running, admin: Admin, tmp_path: Path
) -> None:
    changes = {"chat.system_prompt": "Say: no", "engine.context": 8192}
    status, done = await admin("PATCH", "config", changes)
    assert (status, done) == (
        200,
        {"applied": ["chat.system_prompt"], "after_restart": ["engine.context"]},
    )
    async with page(daemon.http, daemon.url) as one:
        _, text = await one.ask("turns")
        assert json.loads(text)[0]["content"] == "Say: no"
    _, shown = await admin("GET", "config")
    rows = {row["name"]: row for row in shown["settings"]}
    context = rows["engine.context"]
    assert (context["value"], context["source"], context["waiting"]) == (8192, "page", True)
    assert rows["state_dir"]["fixed"]
    assert rows["log_level"]["source"] == "command"
    again = load(None, [f"state_dir={tmp_path}"])
    assert (again.engine.context, again.chat.system_prompt) == (8192, "Say: no")
    assert load(None, [f"state_dir={tmp_path}", "engine.context=512"]).engine.context == 512
    await admin("PATCH", "config", {"engine.context": None})
    assert load(None, [f"state_dir={tmp_path}"]).engine.context == 4096
    written = yaml.safe_load((tmp_path / "settings.yaml").read_text())
    assert written == {"chat": {"system_prompt": "Say: no"}}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"chat.temperature": 9, "engine.context": "x"}, ["from 0 to 2", "from 256 to"]),
        ({"engine.contxt": 1}, ["no setting"]),
        ({"state_dir": "/tmp"}, ["config.yaml only"]),
        ({"server.power": True}, ["config.yaml only"]),
        ({"log_level": "info"}, ["command line"]),
        ({"engine.model": ""}, ["engine.model"]),
        ({"server.allow": ["nonsense"]}, ["server.allow"]),
        ({}, ["nothing"]),
    ],
)
async def test_wrong_settings_change_nothing_and_are_all_named(
    admin: Admin, tmp_path: Path, changes: dict[str, Any], words: list[str]
) -> None:
    status, body = await admin("PATCH", "config", changes)
    assert status == 400
    for word in words:
        assert word in body["error"]["message"]
    assert not (tmp_path / "settings.yaml").exists()


@pytest.fixture
async def shop(start: Start, claimed: Book, tmp_path: Path) -> AsyncGenerator[tuple[Admin, Hub]]:
    """An admin whose models come from a hub on loopback."""
    with hub() as server:
        folder = tmp_path / "models"
        settings = [f"models_dir={folder}", f"models.local_hosts=[{server.host}]"]
        async with start(settings) as daemon:
            yield Admin(daemon.http, daemon.url), server


async def test_a_model_is_fetched_with_progress_listed_and_deleted(
    shop: tuple[Admin, Hub],
) -> None:
    admin, server = shop
    server.files["/some.gguf"] = GGUF
    wish = {"name": f"{server.url}/some.gguf"}
    status, lines = await admin("POST", "models/fetch", wish, Accept=NDJSON)
    assert status == 200
    assert lines[-1] == {**wish, "done": len(GGUF), "size": len(GGUF), "over": True, "error": None}
    _, listed = await admin("GET", "models")
    rows = {row["name"]: row for row in listed["models"]}
    assert (rows["some"]["here"], rows["some"]["fits"], rows["some"]["active"]) == (
        True,
        True,
        False,
    )
    assert rows["starter"]["here"] is False
    assert (await admin("DELETE", "models/some"))[1] == {"name": "some", "freed": len(GGUF)}
    assert (await admin("DELETE", "models/some"))[0] == 404
    assert (await admin("DELETE", "models/starter"))[0] == 400  # it answers


async def test_ollama_s_pull_and_delete_do_the_same_for_the_admin(
    shop: tuple[Admin, Hub], tmp_path: Path
) -> None:
    admin, server = shop
    server.files["/some.gguf"] = GGUF
    await admin("POST", "models/fetch", {"name": f"{server.url}/some.gguf"}, Accept=NDJSON)
    headers, body = basic("admin", PASSWORD), {"model": "some"}
    for _ in range(2):
        async with admin.http.request(
            "DELETE", f"{admin.url}/api/delete", json=body, headers=headers
        ) as response:
            assert response.status == 200, await response.text()
        assert list(tmp_path.glob("models/*.gguf")) == []
        async with admin.http.post(f"{admin.url}/api/pull", json=body, headers=headers) as response:
            lines = [json.loads(line) async for line in response.content]
        assert lines[-1] == {"status": "success"}
        assert any(line.get("completed") == len(GGUF) for line in lines)
        assert [file.read_bytes() for file in tmp_path.glob("models/*.gguf")] == [GGUF]


async def test_a_fetch_that_fails_says_why(shop: tuple[Admin, Hub]) -> None:
    admin, server = shop
    server.files["/some.gguf"] = GGUF
    wish = {"name": f"{server.url}/some.gguf", "sha256": "0" * 64}
    _, lines = await admin("POST", "models/fetch", wish, Accept=NDJSON)
    assert "SHA-256" in lines[-1]["error"]["message"]
    assert (await admin("POST", "models/activate", {"name": "some"}))[0] == 404
    for bad in ("http://192.168.0.1/x.gguf", "https://127.0.0.1:1/x.gguf"):
        _, lines = await admin("POST", "models/fetch", {"name": bad}, Accept=NDJSON)
        assert lines[-1]["error"]["message"]


async def test_a_fetch_can_be_cancelled_and_goes_on(shop: tuple[Admin, Hub]) -> None:
    admin, server = shop
    server.files["/some.gguf"] = GGUF
    server.manners.cut_after, server.manners.seconds = 1000, 0.05
    wish = {"name": f"{server.url}/some.gguf"}
    assert (await admin("POST", "models/fetch", wish))[0] == 202
    async with asyncio.timeout(DEADLINE):
        while not (fetch := (await admin("GET", "models"))[1]["fetches"][0])["done"]:
            await asyncio.sleep(0.01)
        assert (await admin("POST", "models/cancel", wish))[0] == 200
        while not (fetch := (await admin("GET", "models"))[1]["fetches"][0])["over"]:
            await asyncio.sleep(0.01)
    assert "stopped" in fetch["error"]["message"]
    server.manners.seconds = 0.0
    _, lines = await admin("POST", "models/fetch", wish, Accept=NDJSON)
    assert lines[-1]["error"] is None
    assert server.asked[-1][1].startswith("bytes=")


async def test_the_engine_is_loaded_anew_and_answers_go_on(daemon: Running, admin: Admin) -> None:
    await daemon.until(Phase.READY)
    pid = daemon.daemon.engine.state.pid
    async with page(daemon.http, daemon.url) as one:
        said = await one.say("falter 3 6")
        assert (await admin("POST", "engine/restart"))[0] == 202
        assert (await one.until("done", answer=said["answer"]))["reason"] == "stop"
    assert daemon.daemon.engine.state.pid != pid


async def test_the_machine_is_not_switched_off_unless_that_is_allowed(admin: Admin) -> None:
    for what in ("shutdown", "reboot"):
        status, body = await admin("POST", what)
        assert status == 403
        assert "server.power" in body["error"]["hint"]


async def test_each_change_leaves_a_line(admin: Admin, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "bramble.audit"):
        await admin("POST", "accounts", {"name": "Ada L.", "password": HERS})
        await admin("POST", "accounts", {"name": "ada l.", "password": HERS})
        await admin("POST", "reboot")
    lines = [record.getMessage() for record in caplog.records if record.name == "bramble.audit"]
    assert lines == [
        'action=account.add outcome=done by=admin from=127.0.0.1 name="Ada L."',
        'action=account.add outcome=bad_request by=admin from=127.0.0.1 name="ada l."',
        "action=reboot outcome=forbidden by=admin from=127.0.0.1",
    ]
    assert HERS not in caplog.text
    _, log = await admin("GET", "logs")
    assert [line["text"] for line in log["lines"] if line["name"] == "bramble.audit"] == lines
    last = log["lines"][-1]["n"]
    assert (await admin("GET", f"logs?after={last}"))[1] == {"lines": []}
    assert (await admin("GET", "logs?after=x"))[0] == 400
