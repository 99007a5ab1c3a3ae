"""What tests of deployments share."""

from pathlib import Path

import pytest

from tests.deploy.appliance import PYTHON, REPO, run

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheelhouse for machines like this one."""
    machine = ARCHITECTURE[run("uname", "-m").strip()]
    return _built(tmp_path_factory.mktemp("wheels"), list(PYTHON.values()), "--arch", machine)


@pytest.fixture(scope="session")
def portable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheelhouse for any PC."""
    folder = tmp_path_factory.mktemp("portable")
    return _built(folder, [PYTHON["trixie"]], "--arch", "amd64", "--portable")


def _built(folder: Path, pythons: list[str], *options: str) -> Path:
    build = REPO / "deploy/wheels/build.sh"
    run(build, *options, "--python", ",".join(pythons), "--output", folder, seconds=1500)
    return folder
