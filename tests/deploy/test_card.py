"""A card that prepares itself: card.sh against a boot partition, and cloud-init's first boot of a Debian with it."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.appliance import REPO, Appliance, run, until
from tests.deploy.test_appliance import status

CARD = REPO / "deploy/cloud-init/card.sh"
USER_DATA = "#cloud-config\nhostname: kitchen\nssh_deletekeys: false\ndisable_root: false\n"
SYSTEM = """datasource_list: [NoCloud, None]
datasource: {NoCloud: {seedfrom: "file:///boot/firmware/"}}
network: {config: disabled}
"""
"""As Raspberry Pi OS has it, but for the network, which the test makes itself."""
FIRST_BOOT = 900.0


def card(boot: Path, *options: str | Path) -> subprocess.CompletedProcess[str]:
    """card.sh as a person calls it."""
    return subprocess.run([CARD, *options, boot], capture_output=True, text=True, timeout=1500)


@pytest.fixture
def boot(tmp_path: Path) -> Path:
    """The boot partition as Imager leaves it."""
    folder = tmp_path / "bootfs"
    folder.mkdir()
    (folder / "user-data").write_text(USER_DATA)
    (folder / "meta-data").write_text("instance-id: first\n")
    (folder / "cmdline.txt").write_text("console=tty1 rootwait\n")
    return folder


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """A wheelhouse to copy."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    (folder / "requirements-3.13.lock").write_text("")
    return folder


def test_what_is_no_card_is_left_alone(tmp_path: Path, wheels: Path) -> None:
    done = card(tmp_path, "--wheels", wheels)
    assert done.returncode == 1
    assert "no user-data" in done.stderr and "Raspberry Pi Imager" in done.stderr
    assert not (tmp_path / "bramble").exists()


def test_commands_of_somebody_else_s_are_left_alone(boot: Path, wheels: Path) -> None:
    (boot / "user-data").write_text(f"{USER_DATA}runcmd:\n  - [reboot]\n")
    done = card(boot, "--wheels", wheels)
    assert done.returncode == 1
    assert "- [bash, /boot/firmware/bramble/first-boot.sh]" in done.stderr
    assert not (boot / "bramble").exists()


@pytest.mark.parametrize(
    "option, value, words",
    [
        ("--name", "Küche", "cannot be a machine's name"),
        ("--python", "three", "no Python version"),
        ("--model", "/nowhere.gguf", "no model at /nowhere.gguf"),
        ("--arch", "mips", "nothing for mips"),
    ],
)
def test_mistakes_are_told_before_anything_is_written(
    boot: Path, wheels: Path, option: str, value: str, words: str
) -> None:
    done = card(boot, "--wheels", wheels, option, value)
    assert done.returncode == 1
    assert words in done.stderr
    assert not (boot / "bramble").exists()


@pytest.fixture(scope="module")
def machine(
    tmp_path_factory: pytest.TempPathFactory, starter: Path
) -> Iterator[tuple[Appliance, Path]]:
    """A Debian 13 that has just booted such a card for the first time, and its boot partition."""
    folder = tmp_path_factory.mktemp("card")
    kept: list[Path] = []

    def prepare(root: Path) -> None:
        boot = root / "boot/firmware"
        boot.mkdir(parents=True)
        (boot / "user-data").write_text(USER_DATA)
        (boot / "meta-data").write_text("instance-id: first\n")
        (boot / "cmdline.txt").write_text("console=tty1 cgroup_enable=memory psi=1 rootwait\n")
        (root / "etc/cloud/cloud.cfg.d/99_raspberry-pi.cfg").write_text(SYSTEM)
        options = ("--arch", "amd64", "--model", starter, "--name", "kitchen")
        for _ in range(2):  # the second time changes nothing
            done = card(boot, *options)
            assert done.returncode == 0, done.stdout + done.stderr
        assert (boot / "user-data").read_text().count("first-boot.sh") == 1
        kept.append(boot)

    machine = Appliance("trixie", folder, "cloud-init", prepare)
    yield machine, kept[0]
    machine.close()


@pytest.mark.systemd
@pytest.mark.timeout(3000)
def test_a_first_boot_makes_an_appliance(machine: tuple[Appliance, Path]) -> None:
    appliance, boot = machine
    failed = boot / "bramble/FAILED.txt"
    until(lambda: failed.exists() or status("/readyz") == 200, seconds=FIRST_BOOT)
    assert not failed.exists(), failed.read_text()
    assert "done" in appliance.run("cloud-init status --wait || true")
    assert appliance.run("hostname") == "kitchen"
    assert not (boot / "bramble/wheels").exists()
    assert list((boot / "bramble").glob("*.gguf")) == []
    assert "Bramble answers: " in appliance.run("cat /var/log/bramble-first-boot.log")
    assert run("cat", boot / "user-data").startswith(USER_DATA)
