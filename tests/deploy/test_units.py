"""The unit files: systemd understands them, and leaves the service little to do harm with."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "systemd"
EXPOSURE = 1.7


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units, with a command that this machine has."""
    for unit in UNITS.glob("bramble*"):
        if unit.is_file():
            text = unit.read_text().replace(
                "/opt/bramble/current/bin/bramble", shutil.which("true") or ""
            )
            (tmp_path / unit.name).write_text(text)
    return tmp_path


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """systemd-analyze; tests/run.sh installs it."""
    return subprocess.run(
        ["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60
    )


def test_systemd_has_nothing_to_remark_on_them(units: Path) -> None:
    done = analyze("verify", "--recursive-errors=no", *sorted(units.iterdir()))
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("unit", ["bramble.service", "bramble-worker.service"])
def test_little_is_exposed(units: Path, unit: str) -> None:
    done = analyze("security", "--offline=true", "--no-pager", units / unit)
    found = re.search(rf"Overall exposure level for {unit}: ([\d.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    assert float(found[1]) <= EXPOSURE, done.stdout
