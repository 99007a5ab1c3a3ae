"""The guard at the door: addresses, names and origins."""

import socket

import pytest
from aiohttp import WSServerHandshakeError

from tests.conftest import Start
from tests.daemons import Running

MACHINE = socket.gethostname().lower().partition(".")[0]


async def status(daemon: Running, host: str, method: str = "GET", **headers: str) -> int:
    headers["Host"] = host
    async with daemon.http.request(method, f"{daemon.url}/healthz", headers=headers) as response:
        if response.status >= 400:
            assert (await response.json())["error"]["message"]
        return response.status


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "192.168.1.5:8080", "[fd00::5]:8080", "localhost:1", MACHINE, f"{MACHINE}.local"],
)
async def test_own_names_and_addresses_are_answered(daemon: Running, host: str) -> None:
    assert await status(daemon, host) == 200
    assert await status(daemon, host.upper()) == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "", "127.0.0.1.nip.io"])
async def test_other_names_are_not(daemon: Running, host: str) -> None:
    assert await status(daemon, host) == 421


async def test_a_name_that_was_added_is_answered(start: Start) -> None:
    async with start(["server.names=[chat.home]"]) as daemon:
        assert await status(daemon, "chat.home:8080") == 200


async def test_an_address_outside_the_networks_is_turned_away(start: Start) -> None:
    async with start(["server.allow=[10.0.0.0/8]"]) as daemon:
        assert await status(daemon, "localhost") == 403


async def test_pages_of_other_sites_may_neither_post_nor_upgrade(daemon: Running) -> None:
    own = daemon.url
    for origin, post, upgrades in (
        (own, 400, True),
        ("http://evil.example", 403, False),
        ("null", 403, False),
        (own.replace("http:", "https:"), 403, False),
    ):
        headers = {"Origin": origin}
        url = f"{own}/v1/chat/completions"
        async with daemon.http.post(url, data=b"x", headers=headers) as response:
            assert response.status == post
        try:
            async with daemon.http.ws_connect(f"{own}/ws", headers=headers):
                assert upgrades
        except WSServerHandshakeError as error:
            assert error.status == 403
            assert not upgrades


async def test_ws_without_an_upgrade_is_a_bad_request(daemon: Running) -> None:
    async with daemon.http.get(f"{daemon.url}/ws") as response:
        assert response.status == 400
