"""Heat and supply: the best source of every board, and what is said where there is none."""

from pathlib import Path

import pytest

from bramble.board.heat import COMMAND_SECONDS, Sensors, Throttle
from tests.board.boards import TREES, copy, put

HWMON = "sys/class/hwmon/hwmon1/in0_lcrit_alarm"


@pytest.mark.parametrize(
    ("board", "celsius", "supply", "throttle"),
    [
        ("pi3b", 62.838, "vcgencmd", 0x50005),
        ("zero2w", 48.312, "firmware", 0),
        ("pi4b", 82.296, "rpi_volt", 0),
        ("pi5", 51.3, "vcgencmd", 0),
        ("pc", 47.0, "", None),
    ],
)
def test_recorded_boards(board: str, celsius: float, supply: str, throttle: int | None) -> None:
    sensors = Sensors(TREES / board)
    heat = sensors.read()
    assert (heat.celsius, sensors.supply) == (celsius, supply)
    assert heat.throttle == (None if throttle is None else Throttle(throttle))


def test_each_absence_is_one_sentence(tmp_path: Path) -> None:
    assert Sensors(TREES / "pi5").absences == ()
    assert len(Sensors(TREES / "pi4b").absences) == 1
    assert len(Sensors(TREES / "pc").absences) == 1
    assert len(Sensors(tmp_path).absences) == 2
    assert Sensors(tmp_path).read().celsius is None


def test_the_processor_counts_not_the_case() -> None:
    assert Sensors(TREES / "pc").temperature.endswith("thermal_zone1/temp")


def test_hwmon_tells_the_temperature_where_no_zone_does(tmp_path: Path) -> None:
    root = copy("pc", tmp_path)
    put(root, "sys/class/thermal/thermal_zone1/type", "iwlwifi_1\n")
    put(root, "sys/class/hwmon/hwmon3/temp1_input", "51000\n")
    assert Sensors(root).read().celsius == 51.0


@pytest.mark.parametrize("script", ["exit 1", "echo VCHI initialization failed", "sleep 60"])
def test_a_tool_that_fails_is_passed_over(
    tmp_path: Path, script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bramble.board.heat._DEADLINE", 0.3)
    root = copy("pi3b", tmp_path)
    put(
        root,
        "usr/bin/vcgencmd",
        f"#!/bin/sh\nexec {script}\n" if "sleep" in script else f"#!/bin/sh\n{script}\n",
    )
    sensors = Sensors(root)
    assert sensors.supply == "rpi_volt"
    assert sensors.read().throttle == Throttle.UNDER_VOLTAGE


def test_the_tool_is_not_asked_without_the_mailbox(tmp_path: Path) -> None:
    root = copy("pi3b", tmp_path)
    (root / "dev/vcio").unlink()
    assert Sensors(root).supply == "rpi_volt"


def test_the_firmwares_file_has_no_prefix(tmp_path: Path) -> None:
    root = copy("zero2w", tmp_path)
    put(root, "sys/devices/platform/soc/soc:firmware/get_throttled", "80008\n")
    assert Sensors(root).read().throttle == Throttle.SOFT_LIMIT | Throttle.WAS_SOFT_LIMIT


def test_the_tool_is_asked_seldom_and_files_always(tmp_path: Path) -> None:
    root = copy("pi5", tmp_path)
    count = tmp_path / "count"
    put(root, "usr/bin/vcgencmd", f"#!/bin/sh\necho x >>{count}\necho throttled=0x4\n")
    now = 0.0
    sensors = Sensors(root, clock=lambda: now)
    asked_to_find_it = count.read_text().count("x")
    for second in range(int(3 * COMMAND_SECONDS)):
        now = float(second)
        assert sensors.read().throttle == Throttle.THROTTLED
    assert count.read_text().count("x") - asked_to_find_it == 3
    put(root, "sys/class/thermal/thermal_zone0/temp", "70123\n")
    assert sensors.read().celsius == 70.123


def test_a_sensor_that_goes_away_is_silent(tmp_path: Path) -> None:
    root = copy("pi4b", tmp_path)
    sensors = Sensors(root)
    (root / "sys/class/thermal/thermal_zone0/temp").unlink()
    (root / HWMON).unlink()
    heat = sensors.read()
    assert heat.celsius is None
    assert heat.throttle == Throttle(0)
