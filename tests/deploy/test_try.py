"""`deploy/try.sh` where it needs no building: how it answers to its options, and to a machine it cannot use."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

REPO = Path(__file__).parents[2]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The script in a repository of its own, where nothing is set up yet."""
    repo = tmp_path / "bramble"
    (repo / "deploy").mkdir(parents=True)
    for script in ("try.sh", "common.sh"):
        shutil.copy(REPO / "deploy" / script, repo / "deploy")
    shutil.copy(REPO / "pyproject.toml", repo)
    return repo


def run(repo: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", repo / "deploy/try.sh", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"XDG_CACHE_HOME": str(repo / "cache")} | environment,
    )


def tools(folder: Path, *leave_out: str) -> str:
    """A PATH that has every command of this machine but some."""
    folder.mkdir()
    for directory in filter(os.path.isdir, os.environ["PATH"].split(":")):
        for command in Path(directory).iterdir():
            if command.name not in leave_out and not (folder / command.name).exists():
                (folder / command.name).symlink_to(command)
    return str(folder)


def test_help_names_every_option(clone: Path) -> None:
    done = run(clone, "--help")
    assert done.returncode == 0
    for word in ("--setup-only", "-- OPTIONS", "PYTHON", "BRAMBLE_CMAKE_ARGS", "XDG_CACHE_HOME"):
        assert word in done.stdout
    assert not (clone / "cache").exists()


def test_an_unknown_option_shows_the_usage(clone: Path) -> None:
    done = run(clone, "--setup-onyl")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("Usage: deploy/try.sh")
    assert done.stderr.endswith("try.sh: unknown option: --setup-onyl\n")


def test_a_python_that_is_too_old(clone: Path, tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = -V ] && echo Python 3.9.2\nexit 1\n')
    old.chmod(0o755)
    done = run(clone, PYTHON=str(old))
    assert done.returncode == 1
    assert "Bramble needs Python 3.11 or newer" in done.stderr
    assert "is Python 3.9.2" in done.stderr
    assert not (clone / ".venv").exists()


def test_a_machine_without_apt(clone: Path, tmp_path: Path) -> None:
    done = run(clone, PATH=tools(tmp_path / "bin", "apt-get", "g++", "cmake"))
    assert done.returncode == 1
    assert "try.sh: this needs what Debian calls g++ cmake" in done.stderr
    assert not (clone / ".venv").exists()


def test_the_wheel_holds_the_page_and_the_catalogue(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path],
        cwd=REPO,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("bramble-*.whl")
    files = set(ZipFile(wheel).namelist())
    assert {"bramble/cli.py", "bramble/models/catalogue.yaml", "bramble/web/index.html"} <= files
