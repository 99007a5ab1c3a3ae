"""Which board it is: the right facts of every recorded one, and of a machine that tells nothing."""

from pathlib import Path

import pytest

from bramble.board import info
from tests.board.boards import BOARDS, TREES, copy, put

GB = 1e9


@pytest.mark.parametrize(
    ("board", "model", "cpu", "cores", "features", "memory", "controller", "pressure"),
    [
        ("pi3b", "Raspberry Pi 3 Model B Rev 1.2", "Cortex-A53", 4, "neon", 0.95, False, False),
        ("zero2w", "Raspberry Pi Zero 2 W Rev 1.0", "Cortex-A53", 4, "neon", 0.44, False, False),
        ("pi4b", "Raspberry Pi 4 Model B Rev 1.4", "Cortex-A72", 4, "neon", 3.98, True, True),
        (
            "pi5",
            "Raspberry Pi 5 Model B Rev 1.0",
            "Cortex-A76",
            4,
            "neon dotprod fp16",
            8.45,
            True,
            True,
        ),
        (
            "pc",
            "LENOVO 20L5CTO1WW",
            "Intel(R) Core(TM) i5-8250U CPU @ 1.60GHz",
            8,
            "AVX AVX2 FMA F16C",
            16.6,
            True,
            True,
        ),
    ],
)
def test_recorded_boards(
    board: str,
    model: str,
    cpu: str,
    cores: int,
    features: str,
    memory: float,
    controller: bool,
    pressure: bool,
) -> None:
    found = info.read(TREES / board)
    assert (found.model, found.cpu, found.cores) == (model, cpu, cores)
    assert found.features == tuple(features.split())
    assert found.memory == pytest.approx(memory * GB, rel=0.01)
    assert (found.memory_controller, found.pressure) == (controller, pressure)
    assert found.is_pi is model.startswith("Raspberry")
    assert found.noun == ("Pi" if found.is_pi else "machine")
    assert found.kernel and found.system.startswith("Debian") and found.governor


def test_the_compatible_strings_are_apart() -> None:
    assert info.read(TREES / "pi5").compatible == ("raspberrypi,5-model-b", "brcm,bcm2712")


def test_every_board_is_tested() -> None:
    assert BOARDS == ["pc", "pi3b", "pi4b", "pi5", "zero2w"]


def test_an_unknown_arm_core_is_told_by_its_number(tmp_path: Path) -> None:
    root = copy("pi5", tmp_path)
    cpuinfo = (root / "proc/cpuinfo").read_text().replace("0xd0b", "0xd81").replace("fphp", "i8mm")
    put(root, "proc/cpuinfo", cpuinfo)
    found = info.read(root)
    assert found.cpu == "0xd81"
    assert "i8mm" in found.features


def test_a_machine_that_tells_nothing(tmp_path: Path) -> None:
    found = info.read(tmp_path)
    assert (found.model, found.cores, found.memory, found.governor) == ("", 0, 0, None)
    assert not found.is_pi and not found.memory_controller and not found.pressure


def test_this_machine() -> None:
    found = info.read()
    assert found.cores >= 1 and found.memory > 0 and found.kernel
