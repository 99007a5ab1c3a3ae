"""Downloads by HTTP from a hub on loopback that behaves as badly as hubs, proxies and captive portals do."""

import hashlib
import random
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import product
from pathlib import Path

import msgspec
import pytest

from bramble.errors import ModelUnavailable
from bramble.models import download, reach, transfer, web
from bramble.models.catalogue import Address, Hub, Model
from bramble.models.download import fetch, fetch_url
from bramble.models.library import is_intact
from bramble.models.part import leftovers
from bramble.models.transfer import Wanted
from tests.models import hub as hubs
from tests.models.hub import Manners

CONTENT = b"GGUF" + random.Random(6).randbytes(600_000)
PATH = "/somebody/some-GGUF/resolve/abc123/some.gguf"


@pytest.fixture
def server() -> Iterator[hubs.Hub]:
    with hubs.hub() as server:
        server.files[PATH] = CONTENT
        yield server


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deadlines of a second instead of half a minute, and no long pauses."""
    monkeypatch.setattr(transfer, "BACK_OFF", (0.0, 0.01))
    monkeypatch.setattr(transfer, "LONGEST_WAIT", 0.05)
    monkeypatch.setattr(web, "READ_SECONDS", 0.5)


def model(server: hubs.Hub, content: bytes = CONTENT, path: str = "") -> Model:
    source = (
        Address(server.url + path)
        if path
        else Hub("somebody/some-GGUF", "abc123", "some.gguf", server.url)
    )
    return Model(
        title="Some",
        about="Some.",
        licence="MIT",
        file="some.gguf",
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        source=source,
    )


def quietly(_done: int, _size: int) -> None:
    """No progress is shown."""


def bring(server: hubs.Hub, shelf: Path, wanted: Model | None = None) -> Path:
    return fetch(wanted or model(server), shelf, quietly, local_hosts={server.host})


def refused(server: hubs.Hub, shelf: Path, wanted: Model | None = None) -> str:
    """The reason why nothing was activated."""
    with pytest.raises(ModelUnavailable) as caught:
        bring(server, shelf, wanted)
    assert not (shelf / "some.gguf").exists()
    assert caught.value.message.endswith(".")
    return caught.value.message


# ── how it should be ─────────────────────────────────────────────────────────────────────────────


def test_a_file_is_fetched_once_and_activated(server: hubs.Hub, tmp_path: Path) -> None:
    seen: list[int] = []
    wanted, shelf = model(server), tmp_path / "new" / "models"
    file = fetch(wanted, shelf, lambda done, _: seen.append(done), local_hosts={server.host})
    assert bring(server, shelf) == file
    assert file.read_bytes() == CONTENT
    assert seen == sorted(seen)
    assert seen[-1] == len(CONTENT)
    assert list(shelf.iterdir()) == [file]
    assert server.asked == [(PATH, "")]


def test_redirects_are_followed(server: hubs.Hub, tmp_path: Path) -> None:
    server.manners = Manners(redirects={"/a": "/b", "/b": server.url + PATH})
    bring(server, tmp_path, model(server, path="/a"))
    assert is_intact(model(server), tmp_path)


def test_two_at_once_fetch_it_once(server: hubs.Hub, tmp_path: Path) -> None:
    server.manners = Manners(cut_after=100_000, seconds=0.05)
    with ThreadPoolExecutor() as pool:
        files = [pool.submit(bring, server, tmp_path) for _ in range(3)]
        assert {file.result(60) for file in files} == {tmp_path / "some.gguf"}
    assert server.sent == len(CONTENT)
    assert leftovers(tmp_path) == []


def test_an_address_of_ones_own(server: hubs.Hub, tmp_path: Path) -> None:
    wanted = Wanted(server.url + PATH, "own.gguf")
    size, sha256 = fetch_url(wanted, tmp_path, quietly, local_hosts={server.host})
    assert (size, sha256) == (len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    assert (tmp_path / "own.gguf").read_bytes() == CONTENT


# ── cuts ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("tag", ['"one"', None])
def test_cuts_cost_next_to_nothing(
    server: hubs.Hub, tmp_path: Path, reset: bool, tag: str | None
) -> None:
    server.manners = Manners(cuts=5, cut_after=100_000, reset=reset, tag=tag)
    bring(server, tmp_path)
    assert is_intact(model(server), tmp_path)
    assert len(server.asked) == 6
    assert reset or server.sent <= 1.1 * len(CONTENT)  # a reset takes back what was not read yet


def test_a_hundred_megabytes_cut_twenty_times(server: hubs.Hub, tmp_path: Path) -> None:
    content = b"GGUF" + random.Random(7).randbytes(100_000_000)
    server.files[PATH] = content
    server.manners = Manners(cuts=20, cut_after=4_500_000)
    wanted = model(server, content)
    bring(server, tmp_path, wanted)
    assert is_intact(wanted, tmp_path)
    assert len(server.asked) == 21
    assert server.sent <= 1.1 * len(content)


def test_a_stopped_download_goes_on_in_the_next_run(server: hubs.Hub, tmp_path: Path) -> None:
    stop = threading.Event()

    def half(done: int, size: int) -> None:
        if done > size / 2:
            stop.set()

    with pytest.raises(ModelUnavailable, match="was stopped"):
        fetch(model(server), tmp_path, half, local_hosts={server.host}, stop=stop)
    assert not (tmp_path / "some.gguf").exists()
    bring(server, tmp_path)
    assert is_intact(model(server), tmp_path)
    assert server.asked[-1][1].startswith("bytes=")
    assert leftovers(tmp_path) == []


def test_what_rotted_between_two_runs_is_fetched_again(server: hubs.Hub, tmp_path: Path) -> None:
    server.manners = Manners(cut_after=300_000, cuts=99, ranges=False)
    refused(server, tmp_path)
    part = tmp_path / ".part-some.gguf"
    rotten = bytearray(part.read_bytes())
    rotten[1000:1010] = bytes(10)
    part.write_bytes(rotten)
    server.manners = Manners()
    bring(server, tmp_path)
    assert is_intact(model(server), tmp_path)


def test_a_file_replaced_meanwhile_is_not_mixed(server: hubs.Hub, tmp_path: Path) -> None:
    other = b"GGUF" + random.Random(8).randbytes(len(CONTENT) - 4)
    server.files[PATH] = other
    server.manners = Manners(cut_after=300_000, cuts=99, ranges=False, tag='"old"')
    refused(server, tmp_path)
    server.files[PATH], server.manners = CONTENT, Manners(tag='"new"')
    bring(server, tmp_path)
    assert is_intact(model(server), tmp_path)


# ── a hundred bad downloads ──────────────────────────────────────────────────────────────────────

HTML = b"<!doctype html><title>Sign in</title>" + bytes(len(CONTENT) - 37)
ZEROS = b"GGUF" + bytes(len(CONTENT) - 4)

BAD: dict[str, tuple[Manners, bytes, str]] = {
    "wrong content": (Manners(), ZEROS, "has the SHA-256"),
    "one bit": (Manners(), CONTENT[:-1] + bytes([CONTENT[-1] ^ 1]), "has the SHA-256"),
    "shorter": (Manners(), CONTENT[:-1], f"has {len(CONTENT) - 1} bytes instead"),
    "longer": (Manners(), CONTENT + b"!", f"has {len(CONTENT) + 1} bytes instead"),
    "claims more": (Manners(length=10**15), CONTENT, "bytes instead"),
    "empty": (Manners(), b"", "has 0 bytes"),
    "a web page": (Manners(kind="text/html; charset=utf-8"), HTML, "sends a web page"),
    "a web page that hides": (Manners(), HTML, "no GGUF file"),
    "gone": (Manners(status=404), CONTENT, "status 404"),
    "locked": (Manners(status=401), CONTENT, "status 401"),
    "forbidden": (Manners(status=403), CONTENT, "status 403"),
    "ill for ever": (Manners(status=503, retry_after="1"), CONTENT, "status 503"),
    "too many": (Manners(status=429), CONTENT, "status 429"),
    "odd status": (Manners(status=299), CONTENT, "status 299"),
    "compressed": (Manners(encoding="gzip"), CONTENT, "another form"),
    "no HTTP": (Manners(garbage=True), CONTENT, "no proper HTTP"),
    "redirects in a circle": (Manners(redirects={PATH: PATH}), CONTENT, "without an end"),
    "breaks off for ever": (
        Manners(cuts=10**6, cut_after=200_000, ranges=False),
        CONTENT,
        "breaks off",
    ),
    "resets at once": (Manners(cuts=10**6, cut_after=0, reset=True), CONTENT, "cannot be fetched"),
    "another part": (Manners(cuts=1, cut_after=200_000, part=-7), CONTENT, "another part"),
    "another size later": (
        Manners(cuts=1, cut_after=200_000, shown_size=7),
        CONTENT,
        "another part",
    ),
    "to a file": (Manners(redirects={PATH: "file:///etc/passwd"}), CONTENT, "no address"),
    "to plain http": (Manners(redirects={PATH: "http://example.com/x"}), CONTENT, "encryption"),
    "to this machine": (Manners(redirects={PATH: "https://127.0.0.1/"}), CONTENT, "127.0.0.1"),
    "to the router": (Manners(redirects={PATH: "https://192.168.1.1/x"}), CONTENT, "192.168.1.1"),
}


@pytest.mark.parametrize(("name", "turn"), list(product(BAD, range(4))))
def test_a_bad_download_is_never_activated(
    server: hubs.Hub, tmp_path: Path, name: str, turn: int
) -> None:
    """Four times each: on an empty disk, with half of the file here, over an older version, with a rotten half."""
    manners, content, reason = BAD[name]
    old = b"GGUF of yesterday"
    if turn == 2:
        (tmp_path / "some.gguf").write_bytes(old)
    if turn in (1, 3):
        server.manners = Manners(cuts=99, cut_after=150_000, ranges=False)
        refused(server, tmp_path)
    if turn == 3:
        part = tmp_path / ".part-some.gguf"
        part.write_bytes(b"GGUF" + bytes(part.stat().st_size - 4))
    server.files[PATH] = content
    server.manners = replace(manners)
    with pytest.raises(ModelUnavailable) as caught:
        bring(server, tmp_path)
    assert reason in caught.value.message or turn in (1, 3)
    assert caught.value.message.endswith(".")
    file = tmp_path / "some.gguf"
    assert file.read_bytes() == old if turn == 2 else not file.exists()


def test_there_are_a_hundred_of_them() -> None:
    assert len(BAD) * 4 >= 100


def test_a_server_that_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        wanted = Wanted(f"http://{host}/x.gguf", "x.gguf")
        with pytest.raises(ModelUnavailable, match="the server says nothing"):
            fetch_url(wanted, tmp_path, quietly, local_hosts={host})


def test_a_server_that_dribbles(
    server: hubs.Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "PATIENCE", 1)
    monkeypatch.setattr(transfer, "WASTE", 0)
    monkeypatch.setattr(transfer, "SLOW_SECONDS", 0.3)
    server.manners = Manners(cut_after=16, seconds=0.05)
    assert "sends next to nothing" in refused(server, tmp_path)


def test_a_disk_without_room(server: hubs.Hub, tmp_path: Path) -> None:
    giant = msgspec.structs.replace(model(server), size=10**18)
    assert "takes 1,000,000,000,064 MB" in refused(server, tmp_path, giant)
    assert server.asked == []


def test_room_is_looked_for_once_the_size_is_known(
    server: hubs.Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = download.shutil.disk_usage(tmp_path).free
    monkeypatch.setattr(download, "SPARE", free - 100_000)
    with pytest.raises(ModelUnavailable, match="MB left"):
        fetch_url(
            Wanted(server.url + PATH, "own.gguf"), tmp_path, quietly, local_hosts={server.host}
        )


# ── whom it speaks to ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"),
        *("0.0.0.0", "224.0.0.1", "255.255.255.255", "240.0.0.1", "198.18.0.1", "192.0.2.1"),
        *("::1", "::", "fe80::1%eth0", "fd00::1", "ff02::1", "::ffff:192.168.1.1", "2001:db8::1"),
        *("64:ff9b::10.0.0.1", "2002:c0a8:0101::1", "nonsense"),
    ],
)
def test_what_is_not_on_the_internet(address: str) -> None:
    assert not reach.is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::8.8.8.8"])
def test_what_is_on_the_internet(address: str) -> None:
    assert reach.is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        *("http://huggingface.co/x", "ftp://huggingface.co/x", "file:///etc/passwd", "/x", ""),
        *("https://me:secret@huggingface.co/x", "https://huggingface.co:99999/x", "https:///x"),
        *("https://huggingface.co/a b", "https://huggingface.co/a\r\nX: y", "https://[::1/x"),
    ],
)
def test_where_a_download_never_goes(url: str) -> None:
    with pytest.raises(ModelUnavailable):
        reach.parse(url, {"named.example"})


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1"])
def test_a_private_target_is_refused_before_a_byte_is_sent(server: hubs.Hub, host: str) -> None:
    target = reach.parse(f"https://{host}:{server.host.partition(':')[2]}{PATH}", set())
    with pytest.raises((ModelUnavailable, OSError)):
        reach.addresses(target)
    assert server.asked == []


def test_only_the_named_port_of_a_local_host(server: hubs.Hub) -> None:
    assert reach.parse(server.url, {server.host}).local
    assert reach.parse(server.url, {"127.0.0.1"}).local
    with pytest.raises(ModelUnavailable, match="encryption"):
        reach.parse("http://127.0.0.1:1/x", {server.host})
