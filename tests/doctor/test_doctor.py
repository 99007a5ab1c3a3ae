"""What the doctor finds: the right facts of every recorded board, each ailment with what mends it, its exit status."""

import json
import os
import socket
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from bramble.doctor.finding import Finding, Mark
from bramble.doctor.report import examine
from tests.board.boards import BOARDS, TREES, copy, put

NOW = datetime(2026, 11, 24, 12, 0)


@pytest.fixture
def well_set_up(tmp_path: Path) -> list[str]:
    """Settings that nothing is wrong with."""
    model = tmp_path / "some.gguf"
    model.write_bytes(b"GGUF" + bytes(1_000_000))
    return [f"engine.model={model}", f"state_dir={tmp_path}", f"models_dir={tmp_path}"]


def found(root: Path, settings: list[str], now: datetime = NOW) -> dict[str, Finding]:
    """What is found, by check."""
    findings = examine(None, settings, root, now)
    by_check = {finding.check: finding for finding in findings}
    assert len(by_check) == len(findings)
    return by_check


class Expected(NamedTuple):
    """Words in the finding of each check, and the checks that ail or are absent."""

    words: dict[str, str]
    ill: set[str]
    absent: set[str]


EXPECTED = {
    "pi3b": Expected(
        {
            "board": "Raspberry Pi 3 Model B Rev 1.2, 4 × Cortex-A53 (neon); 953 MB; governor ondemand;",
            "memory": "668 MB of 953 MB available; Bramble may take 604 MB more",
            "swap": "105 MB on disk",
            "heat": "62.8 °C",
            "supply": "too low right now (says vcgencmd)",
            "name": "kitchen.local",
        },
        {"supply"},
        {"memory groups", "memory pressure", "swap"},
    ),
    "zero2w": Expected(
        {
            "board": "Raspberry Pi Zero 2 W Rev 1.0, 4 × Cortex-A53 (neon); 437 MB;",
            "memory": "Bramble may take 194 MB more",
            "swap": "437 MB, of which 437 MB compressed in memory",
            "heat": "48.3 °C",
            "supply": "The voltage is right (says firmware).",
            "name": "Nobody answers for attic.local",
        },
        {"name"},
        {"memory groups", "memory pressure", "clock"},
    ),
    "pi4b": Expected(
        {
            "board": "Raspberry Pi 4 Model B Rev 1.4, 4 × Cortex-A72 (neon); 4.0 GB;",
            "memory": "Bramble may take 824 MB more (its group's limit is 1.4 GB",
            "heat": "82.3 °C",
            "supply": "it cannot tell more",
        },
        {"heat"},
        set(),
    ),
    "pi5": Expected(
        {
            "board": "Raspberry Pi 5 Model B Rev 1.0, 4 × Cortex-A76 (neon, dotprod, fp16); 8.5 GB;",
            "memory": "7.6 GB of 8.5 GB available",
            "supply": "The voltage is right (says vcgencmd).",
            "card": "SD SR128 (mmcblk0)",
        },
        set(),
        set(),
    ),
    "pc": Expected(
        {
            "board": "LENOVO 20L5CTO1WW, 8 × Intel(R) Core(TM) i5-8250U CPU @ 1.60GHz (AVX, AVX2,",
            "memory": "its group's limit is 8.0 GB",
            "heat": "47.0 °C",
            "name": "study.local",
        },
        set(),
        {"supply", "card"},
    ),
}


@pytest.mark.parametrize("board", BOARDS)
def test_recorded_boards(board: str, well_set_up: list[str]) -> None:
    checks = found(TREES / board, well_set_up)
    expected = EXPECTED[board]
    for check, words in expected.words.items():
        assert words in checks[check].text
    assert {name for name, each in checks.items() if each.mark is Mark.ILL} == expected.ill
    assert {name for name, each in checks.items() if each.mark is Mark.ABSENT} == expected.absent
    assert all(each.hint for each in checks.values() if each.mark is Mark.ILL)
    assert not any(each.hint for each in checks.values() if each.mark is Mark.WELL)


def test_the_flags_are_named_that_switch_things_on(well_set_up: list[str]) -> None:
    checks = found(TREES / "pi3b", well_set_up)
    assert "cgroup_enable=memory" in checks["memory groups"].hint
    assert "psi=1" in checks["memory pressure"].hint
    assert "/boot/firmware/cmdline.txt" in checks["memory pressure"].hint


def test_a_machine_that_tells_nothing(tmp_path: Path, well_set_up: list[str]) -> None:
    """Absent facts ail nobody: only memory and a name are what no machine lacks."""
    put(tmp_path, "proc/meminfo", "MemTotal: 1000000 kB\nMemAvailable: 800000 kB\n")
    put(tmp_path, "proc/sys/kernel/hostname", "somewhere\n")
    checks = found(tmp_path, well_set_up)
    ill = {name for name, each in checks.items() if each.mark is Mark.ILL}
    assert ill == {"name"}


@pytest.mark.parametrize(
    ("file", "content", "check", "words"),
    [
        ("sys/block/mmcblk0/ro", "1\n", "card", "write-protected"),
        ("sys/block/mmcblk0/device/life_time", "0x03 0x0b\n", "card", "110 % of its life"),
        ("sys/block/mmcblk0/device/pre_eol_info", "0x03\n", "card", "nearly worn out"),
        ("sys/class/thermal/thermal_zone0/temp", "80000\n", "heat", "80.0 °C"),
        ("proc/sys/kernel/hostname", "localhost\n", "name", "has no name"),
        ("proc/net/udp", "  sl  local_address\n", "name", "Nobody answers for bramble.local"),
        ("usr/bin/vcgencmd", "#!/bin/sh\necho throttled=0x50000\n", "supply", "was too low since"),
        ("usr/bin/vcgencmd", "#!/bin/sh\necho throttled=0x4\n", "heat", "slows the board down"),
        ("proc/meminfo", "MemTotal: 900000 kB\nMemAvailable: 50000 kB\n", "memory", "no more"),
    ],
)
def test_ailments(
    tmp_path: Path, well_set_up: list[str], file: str, content: str, check: str, words: str
) -> None:
    root = copy("pi5", tmp_path)
    put(root, file, content)
    checks = found(root, well_set_up)
    assert words in checks[check].text
    assert {name for name, each in checks.items() if each.mark is Mark.ILL} == {check}
    assert checks[check].hint


@pytest.mark.parametrize(
    ("told", "words"), [("0x01 0x02", "used up 20 %"), ("0x00 0x00", "nothing of its wear")]
)
def test_the_wear_of_an_emmc(tmp_path: Path, well_set_up: list[str], told: str, words: str) -> None:
    root = copy("pi5", tmp_path)
    put(root, "sys/block/mmcblk0/device/life_time", told + "\n")
    card = found(root, well_set_up)["card"]
    assert card.mark is Mark.WELL and words in card.text


def test_a_clock_of_another_year(well_set_up: list[str]) -> None:
    clock = found(TREES / "pi5", well_set_up, datetime(1970, 1, 1))["clock"]
    assert clock.mark is Mark.ILL and "1970" in clock.text and "set-ntp" in clock.hint


def test_a_model_larger_than_the_machine(tmp_path: Path, well_set_up: list[str]) -> None:
    large = tmp_path / "large.gguf"
    with large.open("wb") as file:
        file.truncate(500_000_000)  # a hole: it takes no room
    memory = found(TREES / "zero2w", [*well_set_up, f"engine.model={large}"])["memory"]
    assert memory.mark is Mark.ILL
    assert memory.text.startswith("Bramble may take 373 MB")
    assert "the model alone has 500 MB" in memory.text
    limited = found(
        TREES / "pi5", [*well_set_up, f"engine.model={large}", "guard.memory.limit=256"]
    )
    assert "guard.memory.limit is 256 MB" in limited["memory"].text


def test_a_model_that_is_missing(tmp_path: Path, well_set_up: list[str]) -> None:
    model = found(TREES / "pi5", [*well_set_up, "engine.model=starter"])["model"]
    assert model.mark is Mark.ILL
    assert model.hint == "Run `bramble models fetch starter`."


def test_settings_that_are_wrong_stop_nothing_else(well_set_up: list[str]) -> None:
    checks = found(TREES / "pi5", [*well_set_up, "engine.slots=17", "guard.heat.sft=1"])
    assert checks["settings"].mark is Mark.ILL
    assert checks["settings"].text.splitlines() == [
        "--set engine.slots: must be a whole number from 1 to 16, not 17",
        "--set guard.heat.sft: unknown setting, did you mean guard.heat.soft?",
    ]
    assert checks["board"].mark is Mark.WELL


def deployed(root: Path) -> Path:
    """What deploy.sh leaves: two releases, both units, started with the machine."""
    for name in "aaa", "bbb":
        (root / "opt/bramble/releases" / name).mkdir(parents=True)
        (root / "opt/bramble/releases" / name / "complete").touch()
    (root / "opt/bramble/current").symlink_to("/opt/bramble/releases/bbb")
    units = root / "etc/systemd/system"
    for unit in "bramble.service", "bramble.socket", "bramble-update.path":
        target = "sockets" if unit.endswith(".socket") else "multi-user"
        wants = units / f"{target}.target.wants"
        wants.mkdir(parents=True, exist_ok=True)
        (units / unit).touch()
        (wants / unit).symlink_to(f"/etc/systemd/system/{unit}")
    return units


def test_an_appliance(tmp_path: Path, well_set_up: list[str]) -> None:
    units = deployed(tmp_path)
    told = found(tmp_path, well_set_up)
    assert told["release"].text == "bbb runs; `bramble update --back` has aaa"
    assert told["start"].mark is Mark.WELL
    assert told["updates"].mark is Mark.ABSENT
    (units / "sockets.target.wants/bramble.socket").unlink()
    (tmp_path / "opt/bramble/releases/bbb/complete").unlink()
    told = found(tmp_path, well_set_up)
    assert "sudo systemctl enable --now bramble.socket" in told["start"].hint
    assert (told["release"].mark, "bbb" in told["release"].text) == (Mark.ILL, True)


def test_a_machine_that_only_computes_misses_no_model(tmp_path: Path) -> None:
    settings = [f"engine.model={tmp_path}/none.gguf", f"state_dir={tmp_path}"]
    assert found(tmp_path, settings)["model"].mark is Mark.ILL
    (tmp_path / "opt/bramble/releases/aaa").mkdir(parents=True)
    (tmp_path / "opt/bramble/releases/aaa/complete").touch()
    (tmp_path / "opt/bramble/current").symlink_to("/opt/bramble/releases/aaa")
    units = tmp_path / "etc/systemd/system"
    (units / "multi-user.target.wants").mkdir(parents=True)
    for folder in units, units / "multi-user.target.wants":
        (folder / "bramble-worker.service").touch()
    told = found(tmp_path, settings)
    assert "model" not in told
    assert told["start"].text == "starts with the machine: bramble-worker.service"


def test_a_certificate_that_ends_and_one_that_is_none(
    tmp_path: Path, well_set_up: list[str]
) -> None:
    cert, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    settings = [
        *well_set_up,
        f"server.tls.certificate={cert}",
        f"server.tls.key={key}",
    ]
    assert found(tmp_path, settings)["certificate"].mark is Mark.ILL
    for days, mark in ("90", Mark.WELL), ("10", Mark.ILL):
        make = (
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=x"
        )
        files = ["-days", days, "-keyout", str(key), "-out", str(cert)]
        subprocess.run([*make.split(), *files], check=True, capture_output=True)
        assert found(tmp_path, settings)["certificate"].mark is mark


def test_a_worker_that_is_away(tmp_path: Path, well_set_up: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        name = f"127.0.0.1:{server.getsockname()[1]}"
        settings = [*well_set_up, f"engine.rpc=[{name}]"]
        assert found(tmp_path, settings)[f"worker {name}"].mark is Mark.WELL
    assert (
        "cannot be reached: Connection refused" in found(tmp_path, settings)[f"worker {name}"].text
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(tmp_path: Path, well_set_up: list[str]) -> None:
    tmp_path.chmod(0o500)
    disk = found(TREES / "pi5", well_set_up)["conversations"]
    tmp_path.chmod(0o700)
    assert disk.mark is Mark.ILL


# ── the command ──────────────────────────────────────────────────────────────────────────────────


def doctor(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bramble", "doctor", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"COLUMNS": "80"},
    )


def given(settings: list[str]) -> list[str]:
    return [argument for each in settings for argument in ("--set", each)]


@pytest.mark.parametrize(("board", "status"), [("pi5", 0), ("pc", 0), ("pi3b", 1), ("pi4b", 1)])
def test_the_exit_status_is_the_verdict(board: str, status: int, well_set_up: list[str]) -> None:
    done = doctor("--root", TREES / board, *given(well_set_up))
    assert (done.returncode, done.stderr) == (status, "")
    assert ("✗" in done.stdout) is (status == 1)
    assert ("→" in done.stdout) is (status == 1), "a hint mends what ails"


def test_the_same_for_programs(well_set_up: list[str]) -> None:
    done = doctor("--json", "--root", TREES / "pi4b", *given(well_set_up))
    report: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == 1 and report["well"] is False
    assert {tuple(check) for check in report["checks"]} == {("check", "mark", "text", "hint")}
    (heat,) = (check for check in report["checks"] if check["check"] == "heat")
    assert heat["mark"] == "ill" and heat["hint"]


def test_this_machine_is_looked_at_in_less_than_a_second(well_set_up: list[str]) -> None:
    """The best of three: other tests run beside it."""
    seconds: list[float] = []
    for _ in range(3):
        began = time.monotonic()
        done = doctor("--json", *given(well_set_up))
        seconds.append(time.monotonic() - began)
        report: dict[str, Any] = json.loads(done.stdout)
        assert done.returncode == (0 if report["well"] else 1)
    assert min(seconds) < 1.0
