"""`bramble password`, `accounts`, `keys` and `tls`, as people type them."""

import asyncio
import re
import ssl
import subprocess
import sys
from pathlib import Path

from aiohttp import ClientSession

from bramble.access import passwords, setup
from bramble.access.book import Book
from bramble.tls import fingerprint
from tests.conftest import Start
from tests.daemons import DEADLINE


def bramble(state: Path, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bramble", *arguments, f"--set=state_dir={state}"]
    return subprocess.run(command, input=typed, capture_output=True, text=True, timeout=DEADLINE)


def test_the_password_is_typed_made_or_forgotten(tmp_path: Path) -> None:
    code = bramble(tmp_path, "password", "--code").stdout.split()[-1]
    assert setup.is_right(code, tmp_path)
    done = bramble(tmp_path, "password", typed="correct horse\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert "correct" not in done.stdout
    assert passwords.matches("correct horse", Book(tmp_path).contents.admin)
    assert not setup.is_right(code, tmp_path)  # it has done its work
    assert bramble(tmp_path, "password", "--code").returncode == 1
    made = bramble(tmp_path, "password", "--random").stdout
    shown = re.search(r"is (\S+)\n", made)
    assert shown
    assert passwords.matches(shown[1], Book(tmp_path).contents.admin)
    assert shown[1] not in (tmp_path / "access.json").read_text()
    forgotten = bramble(tmp_path, "password", "--forget").stdout
    assert Book(tmp_path).contents.admin == ""
    assert setup.is_right(forgotten.split()[-1], tmp_path)
    refused = bramble(tmp_path, "password", typed="short\n")
    assert refused.returncode == 1
    assert "8 to 1024" in refused.stderr


def test_accounts_and_keys(tmp_path: Path) -> None:
    assert bramble(tmp_path, "accounts", "add", "ada", typed="battery staple\n").returncode == 0
    assert "ada" in bramble(tmp_path, "accounts", "list").stdout
    made = bramble(tmp_path, "keys", "add", "Home Assistant", "--account", "ada").stdout
    secret, id = made.split()[0], re.findall(r"key (\w+) ", made)[0]
    found = Book(tmp_path).key(secret)
    assert found is not None
    assert (found[0], found[1].account) == (id, "ada")
    listed = bramble(tmp_path, "keys", "list").stdout
    assert "Home Assistant" in listed
    assert secret not in listed
    assert bramble(tmp_path, "keys", "remove", id).returncode == 0
    assert Book(tmp_path).key(secret) is None
    assert bramble(tmp_path, "accounts", "remove", "ada").returncode == 0
    gone = bramble(tmp_path, "accounts", "remove", "ada")
    assert (gone.returncode, gone.stdout) == (78, "")
    assert "no account ada" in gone.stderr


async def test_a_certificate_is_made_served_and_renewed(start: Start, tmp_path: Path) -> None:
    made = bramble(tmp_path, "tls").stdout
    cert, key = tmp_path / "tls" / "certificate.pem", tmp_path / "tls" / "key.pem"
    assert key.stat().st_mode & 0o777 == 0o600
    shown = fingerprint(cert.read_text())
    assert shown in made
    assert f"certificate: {cert}" in made
    assert shown in bramble(tmp_path, "tls").stdout  # it is not made anew
    settings = [f"server.tls.certificate={cert}", f"server.tls.key={key}"]
    async with start(settings) as daemon:
        port = daemon.url.rpartition(":")[2]
        assert await served(int(port)) == shown
        trusting = ssl.create_default_context(cafile=str(cert))
        async with (
            ClientSession() as http,
            http.get(f"https://localhost:{port}/readyz", ssl=trusting) as response,
        ):
            assert response.status in (200, 503)
            assert "server.tls" not in await response.text()
        async with (
            ClientSession() as http,
            http.ws_connect(f"https://localhost:{port}/ws", ssl=trusting) as socket,
        ):
            assert (await socket.receive_json())["type"] == "hello"
            handshake = socket._response  # pyright: ignore[reportPrivateUsage] — its headers
            assert handshake.cookies["bramble"]["secure"]
        bramble(tmp_path, "tls", "--again")
        daemon.daemon._renew()  # pyright: ignore[reportPrivateUsage] — what it does every 5 s
        assert await served(int(port)) == fingerprint(cert.read_text()) != shown
        key.write_text("nonsense")
        daemon.daemon._renew()  # pyright: ignore[reportPrivateUsage]
        assert await served(int(port)) == fingerprint(cert.read_text())  # the old one is used on


async def served(port: int) -> str:
    """The fingerprint of what is served."""
    pem = await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", port))
    return fingerprint(pem)


def test_a_certificate_that_is_none_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("nonsense")
    for settings in (
        ("server.tls.certificate=/nowhere.pem", "server.tls.key=/nowhere.pem"),
        (f"server.tls.certificate={tmp_path}/bad.pem", f"server.tls.key={tmp_path}/bad.pem"),
        ("server.tls.certificate=/nowhere.pem",),
    ):
        options = [f"--set={each}" for each in (*settings, "server.port=0", "engine.model=starter")]
        refused = bramble(tmp_path, "serve", *options)
        assert refused.returncode == 78
        assert "server.tls" in refused.stderr
