"""What tests of deployments share."""

from pathlib import Path

import pytest

from tests.deploy.appliance import PYTHON, REPO, run

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheelhouse for machines like this one."""
    machine = ARCHITECTURE[run("uname", "-m").strip()]
    folder = tmp_path_factory.mktemp("wheels")
    pythons = ",".join(PYTHON.values())
    build = REPO / "deploy/wheels/build.sh"
    run(build, "--arch", machine, "--python", pythons, "--output", folder, seconds=1500)
    return folder
