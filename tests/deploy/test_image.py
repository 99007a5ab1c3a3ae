"""The image of a card: booted with its own kernel, asked, cut off in the middle of an answer, booted again.

`tests/run.sh -m image` builds it first (an hour with the wheels); BRAMBLE_IMAGE=FILE takes one that is there.
"""

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.appliance import REPO, run, until
from tests.deploy.card import BOOTED, LOADED, MEBIBYTE, Board, Card, ends
from tests.engine import tiny
from tests.faults.people import browser
from tests.page import page

GROWN = 6 << 30
"""Bytes of the card; the image is smaller."""
FILE = """name: kitchen
wifi: {{ssid: home, password: 'correct horse', country: DE}}
admin_password: 'correct horse battery'
ssh_key: {key}
settings:
  engine: {{threads: 1, spin: 0, model: /var/lib/bramble/models/tiny.gguf}}
"""
"""With a model of random words: where the processor is emulated the starter's first 32 tokens take longer than the 60 s
that an engine which loads may be silent. That it answers on these processors is shown by test_boards.
"""
ACCESS_POINT = """\
printf 'network={\\nssid="home"\\nmode=2\\nkey_mgmt=WPA-PSK\\npsk="correct horse"\\nfrequency=2437\\n}\\n' >/tmp/ap.conf
sudo modprobe mac80211_hwsim radios=2
sudo wpa_supplicant -B -i wlan1 -c /tmp/ap.conf
"""
STORY = "Tell me a long story about a lighthouse."

pytestmark = [pytest.mark.image, pytest.mark.timeout(9000)]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An unpacked image."""
    for tool, package in ("qemu-system-aarch64", "qemu-system-arm"), ("mcopy", "mtools"):
        if shutil.which(tool) is None:
            pytest.fail(f"{tool} is missing: apt-get install {package}")
    if given := os.environ.get("BRAMBLE_IMAGE"):
        return Path(given)
    folder = tmp_path_factory.mktemp("image")
    subprocess.run([REPO / "deploy/image/build.sh", "--keep", "--output", folder], check=True)
    return folder / "bramble-arm64.img"


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody's ssh key."""
    file = tmp_path_factory.mktemp("key") / "id"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file)
    return file


@pytest.fixture(scope="module")
def card(image: Path, key: Path, tmp_path_factory: pytest.TempPathFactory) -> Card:
    """A larger card with the image, and a bramble.yaml that somebody wrote."""
    found = Card(image, tmp_path_factory.mktemp("card"), GROWN)
    found.add_model(tiny.llama(tmp_path_factory.mktemp("model") / "tiny.gguf", context=4096))
    found.write("bramble.yaml", FILE.format(key=key.with_suffix(".pub").read_text().strip()))
    return found


@pytest.fixture(scope="module")
def board(card: Card) -> Iterator[list[Board]]:
    """The machine that runs now is the last one; the tests below go on with what the ones above did."""
    boards = [Board(card)]
    yield boards
    boards[-1].kill()


def test_every_board_finds_what_it_boots_on_the_card(image: Path, tmp_path: Path) -> None:
    card = Card(image, tmp_path, image.stat().st_size)
    names = card.names()
    for tree in (
        "bcm2712-rpi-5-b",
        "bcm2711-rpi-4-b",
        "bcm2837-rpi-3-b-plus",
        "bcm2837-rpi-zero-2-w",
    ):
        assert f"{tree}.dtb" in names
    for firmware in "start4.elf", "start.elf", "bootcode.bin", "bramble.yaml":
        assert firmware in names
    words = card.read("cmdline.txt").decode().split()
    assert {"root=LABEL=bramble-root", "cgroup_enable=memory", "psi=1"} <= set(words)
    assert not [word for word in words if word.startswith("cma=")]
    boot, *_, data = card.partitions()
    assert (boot["type"], boot["size"] * 512) == ("c", 512 * MEBIBYTE)
    assert ends([data]) == [image.stat().st_size]


def test_a_first_boot_shows_the_page(board: list[Board], card: Card) -> None:
    seconds = board[-1].until("/healthz", BOOTED)
    print(f"\nthe page after {seconds:.0f} s")
    assert board[-1].status("/") == 200
    assert "bramble-FAILED.txt" not in card.names(), card.read("bramble-FAILED.txt").decode()


def test_what_was_written_on_the_card_is_applied(board: list[Board], card: Card, key: Path) -> None:
    assert board[-1].run(key, "hostname") == "kitchen"
    left = card.read("bramble.yaml").decode()
    assert "correct horse" not in left and "ssid: home" in left
    assert "ssid=686f6d65" in board[-1].run(key, "sudo cat /etc/wpa_supplicant/*.conf")
    assert "0 loaded units" in board[-1].run(key, "systemctl list-units --failed")


def test_the_wifi_is_joined_without_a_chip(board: list[Board], key: Path) -> None:
    """Between two radios that the kernel pretends: one is the access point, the other what is to join it."""
    for line in ACCESS_POINT.splitlines():
        board[-1].run(key, line)
    until(lambda: board[-1].run(key, "cat /sys/class/net/wlan0/carrier || true") == "1", 300)
    assert "wpa_state=COMPLETED" in board[-1].run(key, "sudo wpa_cli -i wlan0 status")


def test_the_data_has_the_rest_of_the_card(board: list[Board], card: Card, key: Path) -> None:
    assert ends(card.partitions())[-1] > GROWN - 2 * MEBIBYTE
    free = int(board[-1].run(key, "df --output=size -B1 /var/lib/bramble | tail -n 1"))
    assert free > (GROWN - 4 * MEBIBYTE - 512 * MEBIBYTE - 3072 * MEBIBYTE) * 0.9


def test_the_card_is_spared_and_durable(board: list[Board], key: Path) -> None:
    mounts = board[-1].run(key, "findmnt --list --noheadings --output TARGET,FSTYPE,OPTIONS")
    options = {line.split()[0]: line.split(maxsplit=1)[1] for line in mounts.splitlines()}
    assert "noatime" in options["/"] and "commit=60" in options["/"]
    assert "noatime" in options["/var/lib/bramble"] and "commit" not in options["/var/lib/bramble"]
    assert options["/tmp"].startswith("tmpfs")
    assert "zram" in board[-1].run(key, "cat /proc/swaps")
    assert "memory" in board[-1].run(key, "cat /sys/fs/cgroup/cgroup.controllers")
    assert "avg10" in board[-1].run(key, "cat /proc/pressure/memory")


def test_it_answers_without_the_internet(board: list[Board]) -> None:
    print(f"\na model after {board[-1].until('/readyz', LOADED):.0f} s")
    answer = board[-1].ask("What is the capital of France?", tokens=12)
    print(f"it says: {answer['choices'][0]['message']['content']!r}")
    assert answer["usage"]["completion_tokens"] > 0


async def test_a_power_cut_loses_nothing_that_was_acknowledged(
    board: list[Board], card: Card, key: Path
) -> None:
    me = uuid.uuid4().hex
    async with browser(me) as http, page(http, board[-1].url, me, patience=LOADED) as one:
        said = await one.say(STORY)
        await one.until("piece", answer=said["answer"])
        board[-1].kill()
    board.append(Board(card))
    board[-1].until("/healthz", BOOTED)
    async with browser(me) as http, page(http, board[-1].url, me, patience=LOADED) as one:
        told = await one.open(said["conversation"])
    assert [each["text"] for each in told["messages"] if each["role"] == "user"] == [STORY]
    check = "sqlite3.connect('/var/lib/bramble/bramble.sqlite').execute('PRAGMA integrity_check')"
    command = f'sudo python3 -c "import sqlite3; print(*{check})"'
    assert board[-1].run(key, command) == "('ok',)"
    assert "bramble-FAILED.txt" not in card.names()
