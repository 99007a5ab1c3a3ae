"""bramble.yaml on the boot partition of the image: applied to real files, by Bramble's own commands and OpenSSH's."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from bramble.access import passwords
from bramble.access.book import Book
from tests.deploy.pi import IMAGE, Pi, command, key, psk

TEMPLATE = (IMAGE / "bramble.yaml").read_text(encoding="utf-8")
WIFI = "etc/wpa_supplicant/wpa_supplicant-wlan0.conf"
PASSWORD = "correct horse battery"
ALL = """name: kitchen
wifi:
  ssid: 'Zuhause 家'
  password: 'geheim # und länger'
  country: de
language: zh
admin_password: "correct horse battery"
settings:
  engine: {context: 2048}
"""


@pytest.fixture
def pi(tmp_path: Path, starter: Path) -> Pi:
    """A Pi that starts for the first time."""
    found = Pi(tmp_path)
    for folder in "bin", "boot", "state/models", "root/etc/bramble", "root/usr/local/lib/bramble":
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "state/models" / starter.name).symlink_to(starter)
    for name in "systemctl", "hostname":  # never this machine's
        command(tmp_path / "bin" / name, f'echo {name} "$@" >>{tmp_path}/asked')
    bramble = Path(sys.executable).with_name("bramble")
    command(tmp_path / "bin/bramble", f'exec {bramble} "$@"')
    keygen = subprocess.run(["sh", "-c", "command -v ssh-keygen"], capture_output=True, text=True)
    (tmp_path / "bin/ssh-keygen").symlink_to(keygen.stdout.strip())
    for file in "etc/bramble/config.yaml", "usr/local/lib/bramble/config.yaml":
        (found.root / file).write_text("engine:\n  nice: -10\n")
    return found


def test_what_the_image_brings_asks_for_nothing(pi: Pi) -> None:
    pi.write(TEMPLATE)
    pi.start()
    assert pi.asked() == ["hostname bramble"]
    assert pi.file.read_text() == TEMPLATE
    assert not (pi.root / WIFI).exists()
    assert pi.text("etc/bramble/config.yaml") == "engine:\n  nice: -10\n"


def test_every_field_is_applied(pi: Pi) -> None:
    public = key(pi.folder)
    pi.write(f"{ALL}ssh_key: {public}\n")
    pi.start()
    assert pi.text("etc/hostname") == "kitchen\n" and "127.0.1.1 kitchen\n" in pi.text("etc/hosts")
    wifi = pi.text(WIFI)
    assert f"ssid={'Zuhause 家'.encode().hex()}\n" in wifi and "country=DE\n" in wifi
    assert f"psk={psk('geheim # und länger', 'Zuhause 家')}\n" in wifi
    assert (pi.root / WIFI).stat().st_mode & 0o777 == 0o600
    assert pi.text("etc/ssh/bramble_keys") == f"{public}\n"
    assert (pi.root / "etc/ssh/ssh_host_ed25519_key").exists()
    assert pi.asked() == [
        "hostname kitchen",
        "systemctl enable ssh.service",
        "systemctl start --no-block ssh.service",
    ]
    config = yaml.safe_load(pi.text("etc/bramble/config.yaml"))
    assert config["engine"] == {"nice": -10, "context": 2048}
    assert "简体中文" in config["chat"]["system_prompt"]
    assert passwords.matches(PASSWORD, Book(pi.folder / "state").contents.admin)


def test_passwords_leave_the_file_and_nothing_else_does(pi: Pi) -> None:
    pi.write(ALL)
    before = len(pi.file.read_bytes())
    pi.start()
    left = pi.file.read_text()
    assert "geheim" not in left and PASSWORD not in left
    assert len(left.encode()) == before, "it is written over itself"
    kept = [line.rstrip() for line in left.splitlines()]
    assert "  password: ''" in kept and "admin_password: ''" in kept
    assert [line for line in kept if "password" not in line] == [
        line for line in ALL.splitlines() if "password" not in line
    ]


def test_the_next_start_changes_nothing(pi: Pi) -> None:
    pi.write(f"{ALL}ssh_key: '{key(pi.folder)}'\n")
    pi.start()
    pi.asked()
    before = {file: file.stat().st_mtime_ns for file in pi.folder.rglob("*") if file.is_file()}
    pi.start()
    assert pi.asked() == []
    assert before == {file: file.stat().st_mtime_ns for file in before}


def test_what_is_edited_later_is_applied_alone(pi: Pi) -> None:
    pi.write(ALL)
    pi.start()
    pi.asked()
    pi.write(pi.file.read_text().replace("kitchen", "attic").replace("country: de", "country: FR"))
    pi.start()
    assert pi.asked() == ["hostname attic"]
    wifi = pi.text(WIFI)
    assert "country=FR\n" in wifi
    assert psk("geheim # und länger", "Zuhause 家") in wifi, "the key is the one from before"
    pi.write(pi.file.read_text().replace("Zuhause 家", "Nachbar"))
    assert "wifi.password of Nachbar is missing" in pi.start(well=False)
    assert pi.text(WIFI) == wifi


def test_a_key_that_is_taken_out_closes_the_door(pi: Pi) -> None:
    first, second = key(pi.folder / "bin"), "ssh-ed25519 AAAAhalf"
    pi.write(f"ssh_key:\n- {first}\n- {second}\n")
    assert "line 3: ssh_key: some of it is missing" in pi.start(well=False)
    assert pi.text("etc/ssh/bramble_keys") == f"{first}\n"
    pi.asked()
    pi.write("ssh_key: ''\n")
    pi.start()
    assert pi.asked() == ["systemctl disable ssh.service", "systemctl stop --no-block ssh.service"]
    assert not (pi.root / "etc/ssh/bramble_keys").exists()


def test_settings_that_somebody_changed_on_the_pi_are_theirs(pi: Pi) -> None:
    pi.write("settings: {engine: {context: 2048}}\n")
    pi.start()
    own = pi.root / "etc/bramble/config.yaml"
    own.write_text("engine: {context: 1024}\n")
    pi.start()
    pi.write("settings: {engine: {context: 512}}\n")
    assert "/etc/bramble/config.yaml was changed on the Pi itself" in pi.start(well=False)
    assert own.read_text() == "engine: {context: 1024}\n"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
def test_windows_editors_are_understood(pi: Pi, encoding: str) -> None:
    text = ALL.replace("\n", "\r\n")
    if encoding == "utf-16-be":
        text = f"\ufeff{text}"
    pi.write(text.encode(encoding))
    pi.start()
    assert pi.text("etc/hostname") == "kitchen\n"
    assert psk("geheim # und länger", "Zuhause 家") in pi.text(WIFI)
    left = pi.file.read_bytes().decode(encoding)
    assert left.count("\r\n") == text.count("\r\n") and "geheim" not in left


@pytest.mark.parametrize(
    "password",
    ["'it''s secret'", '"two\\twords"', "plain-secret", "|-\n    in-a-block", "väterchen frost 🎄"],
)
def test_a_password_may_be_written_in_any_way(pi: Pi, password: str) -> None:
    pi.write(f"wifi:\n  ssid: home\n  password: {password}\n  country: DE\nname: attic\n")
    meant = yaml.safe_load(pi.file.read_text())["wifi"]["password"]
    pi.start()
    assert psk(meant, "home") in pi.text(WIFI)
    left = yaml.safe_load(pi.file.read_text())
    assert left == {
        "wifi": {"ssid": "home", "password": left["wifi"]["password"], "country": "DE"},
        "name": "attic",
    }
    assert not left["wifi"]["password"]


@pytest.mark.parametrize(
    "section, words",
    [
        ("name: Küche", "line 1: küche cannot be a name"),
        ("nmae: attic", "line 1: nmae is not known; did you mean name?"),
        ("name:\n  is: attic", "line 2: name is one value"),
        ("wifi: home", "line 1: wifi has parts: ssid, password, country"),
        ("wifi:\n\tssid: home", "line 2: there is a tab; indent with spaces"),
        ("wifi:\n  ssid: home\n  password: short", "line 3: wifi.password has 8 to 63 characters"),
        ("wifi:\n  ssid: home", "line 2: wifi.password of home is missing"),
        (
            "wifi:\n  ssid: a\n  pass: b",
            "line 3: wifi.pass is not known; did you mean wifi.password?",
        ),
        ("wifi:\n  ssid: home\n  password: abc def#g #h", "put the password between quotes"),
        ("wifi:\n  ssid: a\n  ssid: b", "line 3: ssid stands here for the second time"),
        ("language: klingon", "line 1: language is en or zh"),
        ("admin_password: short", "line 1: admin_password: A password has 8 to 1024 characters."),
        ("ssh_key: -----BEGIN OPENSSH PRIVATE KEY-----", "ssh_key: this is the secret half"),
        ("ssh_key: hello", "line 1: ssh_key looks like"),
        (
            "settings: {engine: {contxt: 1}}",
            "engine.contxt: unknown setting, did you mean engine.context?",
        ),
        ("settings: [1]", "line 1: settings has parts"),
        ("settings: &a [*a]", "references (*) are not read"),
        ("admin_password: 'open", "line 1: this cannot be read"),
        ("nothing", "line 1: a name with a colon behind it is missing here"),
    ],
)
def test_a_mistake_is_told_and_costs_nothing_else(pi: Pi, section: str, words: str) -> None:
    pi.write(f"{section}\nwifi_: {{}}\n" if section.startswith("nothing") else f"{section}\n")
    alone = pi.start(well=False)
    assert words in alone
    good = "language: zh\n" if section.startswith("name") else "name: cellar\n"
    pi.write(f"{section}\n{good}")
    assert words in pi.start(well=False)
    assert section in pi.file.read_text(), "what is not applied stays to be corrected"
    if good.startswith("name"):
        assert pi.text("etc/hostname") == "cellar\n"
    else:
        assert "简体中文" in pi.text("etc/bramble/config.yaml")
    pi.write(good)
    pi.start()


def test_a_country_that_is_none_keeps_nobody_from_the_wifi(pi: Pi) -> None:
    pi.write("wifi: {ssid: home, password: 'long enough', country: Germany}\n")
    assert "wifi.country is two letters" in pi.start(well=False)
    assert psk("long enough", "home") in pi.text(WIFI)


def test_an_open_network_is_named_so(pi: Pi) -> None:
    pi.write("wifi: {ssid: cafe, password: open}\n")
    pi.start()
    assert "key_mgmt=NONE\n" in pi.text(WIFI)
    pi.write("wifi: {ssid: ''}\n")
    pi.start()
    assert not (pi.root / WIFI).exists()


@pytest.mark.parametrize(
    "data, words",
    [
        (b"name: caf\xe9\n", "line 1: this is no UTF-8"),
        (b"name: x\n" + b"#" * 70_000, "at most 65536 are read"),
        (b"name: \x00\x01\n", "this cannot be read"),
    ],
)
def test_what_is_no_text_is_told(pi: Pi, data: bytes, words: str) -> None:
    pi.write(data)
    assert words in pi.start(well=False)


def test_a_card_without_the_file_starts_all_the_same(pi: Pi) -> None:
    pi.start()
    assert pi.asked() == []
    assert list(pi.boot.iterdir()) == []
