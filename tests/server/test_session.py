"""Signing in: the two modes, sessions, Basic and Bearer, keys, and whose conversations are whose."""

import asyncio
import base64
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import (
    ClientSession,
    ClientWebSocketResponse,
    CookieJar,
    WSMsgType,
    WSServerHandshakeError,
)

from bramble.access import book, passwords, setup
from bramble.access.book import Book
from bramble.engine.client import Phase
from tests.conftest import Start
from tests.daemons import DEADLINE, Running
from tests.page import Page, page

PASSWORD = "correct horse"
HERS = "battery staple"
PRIVATE = ["server.access=private"]


@pytest.fixture
def claimed(tmp_path: Path) -> Book:
    """An appliance with a password and an account."""
    people = Book(tmp_path)
    with people.change() as contents:
        contents.admin = passwords.hashed(PASSWORD)
        book.add_account(contents, "ada", passwords.hashed(HERS))
    return people


@asynccontextmanager
async def visitor() -> AsyncGenerator[ClientSession]:
    """Somebody with a cookie jar of their own."""
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as http:
        yield http


def basic(name: str, password: str) -> dict[str, str]:
    pair = base64.b64encode(f"{name}:{password}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


async def sign_in(http: ClientSession, url: str, name: str, password: str) -> dict[str, Any]:
    body = {"name": name, "password": password}
    async with http.post(f"{url}/api/session", json=body) as response:
        return {"status": response.status, **await response.json()}


async def told(page: Page) -> str:
    """A conversation with an answer in it."""
    said = await page.say("say 1")
    await page.until("done", answer=said["answer"])
    return said["conversation"]


async def goodbye(socket: ClientWebSocketResponse) -> int:
    """Why the server closes it, once it does."""
    async with asyncio.timeout(DEADLINE):
        while (message := await socket.receive()).type is not WSMsgType.CLOSE:
            assert not socket.closed
    return message.data


async def status(http: ClientSession, url: str, path: str, **headers: str) -> int:
    async with http.get(f"{url}{path}", headers=headers) as response:
        await response.read()
        return response.status


async def test_an_appliance_without_a_password_is_its_owners(
    daemon: Running, tmp_path: Path
) -> None:
    code = await daemon.daemon.keeper.setup_code()
    async with visitor() as stranger, visitor() as owner:
        assert (await sign_in(stranger, daemon.url, "admin", PASSWORD))["status"] == 409
        for wrong in ("AAAA-AAAA", "", code[:-1]):
            body = {"code": wrong, "password": PASSWORD}
            async with stranger.post(f"{daemon.url}/api/password", json=body) as response:
                assert response.status == 401
        body = {"code": code.lower(), "password": PASSWORD}
        async with owner.post(f"{daemon.url}/api/password", json=body) as response:
            assert response.status == 200
            assert (await response.json())["signed_in"] == {"name": "admin", "admin": True}
        assert not (tmp_path / setup.FILE).exists()
        assert await daemon.daemon.keeper.setup_code() == ""
        async with stranger.post(f"{daemon.url}/api/password", json=body) as response:
            assert response.status == 401  # it opens once
        async with owner.get(f"{daemon.url}/api/session") as response:
            assert (await response.json())["signed_in"] == {"name": "admin", "admin": True}


async def test_in_open_mode_everybody_chats_and_any_key_will_do(
    daemon: Running, claimed: Book
) -> None:
    await daemon.until(Phase.READY)
    for authorization in ("Bearer anything", "Bearer", "Basic nonsense", "Basic dTpw", "Digest x"):
        assert (
            await status(daemon.http, daemon.url, "/v1/models", Authorization=authorization) == 200
        )
    async with page(daemon.http, daemon.url) as one:
        await one.ask("say 1")


async def test_in_private_mode_nothing_is_told_to_strangers(start: Start, claimed: Book) -> None:
    async with start(PRIVATE) as daemon, visitor() as stranger:
        await daemon.until(Phase.READY)
        for path in ("/", "/healthz", "/readyz", "/api/session"):
            assert await status(stranger, daemon.url, path) == 200
        for path in ("/v1/models", "/metrics", "/nowhere", "/api/conversations/x/export"):
            async with stranger.get(f"{daemon.url}{path}") as response:
                assert response.status == 401
                assert response.headers["WWW-Authenticate"].startswith("Bearer")
                assert (await response.json())["error"]["code"] == "sign_in"
        with pytest.raises(WSServerHandshakeError) as refused:
            await stranger.ws_connect(f"{daemon.url}/ws")
        assert refused.value.status == 401
        wrong = {"Authorization": "Bearer anything"}
        assert await status(stranger, daemon.url, "/v1/models", **wrong) == 401
        assert (await sign_in(stranger, daemon.url, "ada", HERS))["status"] == 200
        assert await status(stranger, daemon.url, "/v1/models") == 200


async def test_basic_and_bearer_open_every_route(start: Start, claimed: Book) -> None:
    with claimed.change() as contents:
        _, secret = book.add_key(contents, "laptop", account="ada")
    async with start(PRIVATE) as daemon, visitor() as http:
        await daemon.until(Phase.READY)
        for headers in (
            basic("ada", HERS),
            basic("ada", secret),
            basic("whoever", secret),
            {"Authorization": f"bearer {secret}"},
        ):
            for path in ("/v1/models", "/metrics"):
                assert await status(http, daemon.url, path, **headers) == 200
            async with http.ws_connect(f"{daemon.url}/ws", headers=headers) as socket:
                assert (await socket.receive_json())["type"] == "hello"
        for headers in (
            basic("ada", PASSWORD),
            basic("ada", ""),
            {"Authorization": "Bearer bramble-x"},
        ):
            assert await status(http, daemon.url, "/v1/models", **headers) == 401


async def test_only_the_admin_is_the_admin(daemon: Running, claimed: Book) -> None:
    with claimed.change() as contents:
        _, hers = book.add_key(contents, "laptop", account="ada")
        _, powerful = book.add_key(contents, "script", admin=True)
    path = "/api/admin/status"
    assert await status(daemon.http, daemon.url, path) == 401
    assert await status(daemon.http, daemon.url, path, Authorization="Bearer x") == 401
    assert await status(daemon.http, daemon.url, path, Authorization=f"Bearer {hers}") == 403
    assert await status(daemon.http, daemon.url, path, **basic("ada", HERS)) == 403
    assert await status(daemon.http, daemon.url, path, Authorization=f"Bearer {powerful}") != 401
    assert await status(daemon.http, daemon.url, path, **basic("admin", PASSWORD)) != 401


async def test_the_session_cookie(daemon: Running, claimed: Book) -> None:
    body = {"password": PASSWORD}
    async with visitor() as http:
        async with http.post(f"{daemon.url}/api/session", json=body) as response:
            cookie = response.cookies["bramble-session"]
        assert cookie["httponly"]
        assert cookie["samesite"] == "Strict"
        assert not cookie["secure"]
        async with http.delete(f"{daemon.url}/api/session") as response:
            assert response.status == 200
        async with visitor() as thief:
            stolen = {"Cookie": f"bramble-session={cookie.value}"}
            assert await status(thief, daemon.url, "/api/admin/status", **stolen) == 401


async def test_a_session_ends_with_its_password_and_so_does_its_socket(
    start: Start, claimed: Book
) -> None:
    async with start(PRIVATE) as daemon, visitor() as phone, visitor() as laptop:
        for http in (phone, laptop):
            assert (await sign_in(http, daemon.url, "ada", HERS))["status"] == 200
        async with phone.ws_connect(f"{daemon.url}/ws") as socket:
            assert (await socket.receive_json())["type"] == "hello"
            body = {"old": HERS, "password": "another one"}
            async with laptop.post(f"{daemon.url}/api/password", json=body) as response:
                assert response.status == 200
            assert await goodbye(socket) == 4401
        assert await status(phone, daemon.url, "/metrics") == 401
        assert await status(laptop, daemon.url, "/metrics") == 200
        async with laptop.post(f"{daemon.url}/api/password", json=body) as response:
            assert response.status == 401  # the old one is old


async def test_a_change_at_the_terminal_reaches_open_sockets(start: Start, claimed: Book) -> None:
    with claimed.change() as contents:
        id, secret = book.add_key(contents, "laptop", account="ada")
    headers = {"Authorization": f"Bearer {secret}"}
    async with start(PRIVATE) as daemon, visitor() as http:
        async with http.ws_connect(f"{daemon.url}/ws", headers=headers) as socket:
            await socket.receive_json()
            with claimed.change() as contents:
                book.remove_key(contents, id)
            assert await goodbye(socket) == 4401
        assert await status(http, daemon.url, "/metrics", **headers) == 401


async def test_conversations_belong_to_the_account_on_every_device(
    daemon: Running, claimed: Book
) -> None:
    with claimed.change() as contents:
        _, secret = book.add_key(contents, "laptop", account="ada")
    async with visitor() as phone, visitor() as program, visitor() as stranger:
        await sign_in(phone, daemon.url, "ada", HERS)
        async with page(phone, daemon.url) as one:
            conversation = await told(one)
        key = {"Authorization": f"Bearer {secret}"}
        export = f"/api/conversations/{conversation}/export"
        assert await status(phone, daemon.url, export) == 200
        assert await status(program, daemon.url, export, **key) == 200
        assert await status(stranger, daemon.url, export) == 404
        assert await status(daemon.http, daemon.url, export, **basic("admin", PASSWORD)) == 404
        await phone.delete(f"{daemon.url}/api/session")
        assert await status(phone, daemon.url, export) == 404


async def test_the_admin_keeps_the_browsers_conversations(daemon: Running, claimed: Book) -> None:
    async with visitor() as http:
        async with page(http, daemon.url) as one:
            export = f"/api/conversations/{await told(one)}/export"
        await sign_in(http, daemon.url, "admin", PASSWORD)
        assert await status(http, daemon.url, export) == 200


async def test_a_keys_last_use_is_remembered(daemon: Running, claimed: Book) -> None:
    with claimed.change() as contents:
        id, secret = book.add_key(contents, "laptop")
    headers = {"Authorization": f"Bearer {secret}"}
    assert await status(daemon.http, daemon.url, "/healthz", **headers) == 200
    async with asyncio.timeout(DEADLINE):
        while not claimed.contents.keys[id].used:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "body",
    ["", "[]", "{}", '{"password": 1}', '{"password": ""}', '{"password": "x", "name": ""}', "{"],
)
async def test_malformed_bodies_are_refused(daemon: Running, body: str) -> None:
    for route in ("session", "password"):
        url = f"{daemon.url}/api/{route}"
        async with daemon.http.post(url, data=body.encode()) as response:
            assert response.status in (400, 401, 409)
            assert (await response.json())["error"]["message"]
