"""`deploy/fleet.yml` on a Debian with its own systemd: a replica, and HAProxy in front of it on another port."""

import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.appliance import GUEST, REPO, Appliance, until

pytestmark = [pytest.mark.systemd, pytest.mark.timeout(1800)]
PORT = 8000


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Appliance]:
    machine = Appliance("trixie", tmp_path_factory.mktemp("fleet"), "haproxy")
    yield machine
    machine.close()


def play(machine: Appliance, folder: Path, wheels: Path, model: Path) -> str:
    """The playbook, as its README says; returns what Ansible told."""
    host = {
        "ansible_host": GUEST,
        "ansible_user": "root",
        "ansible_ssh_common_args": machine.ssh,
        "bramble_wheelhouse": str(wheels),
        "bramble_model": str(model),
        "fleet_port": PORT,
    }
    inventory = folder / "fleet.json"
    inventory.write_text(
        json.dumps({each: {"hosts": {"house.local": host}} for each in ("replicas", "balancer")})
    )
    command = ["ansible-playbook", "-i", str(inventory), str(REPO / "deploy/fleet.yml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, cwd=REPO / "deploy")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_fleet_of_one_answers_through_its_balancer(
    machine: Appliance, wheels: Path, starter: Path, tmp_path: Path
) -> None:
    assert "Bramble answers: " in play(machine, tmp_path, wheels, starter)
    url = f"http://{GUEST}:{PORT}"
    with urllib.request.urlopen(url) as page:
        assert "bramble_at=house-local" in page.headers.get_all("Set-Cookie", [])[-1]
    again = play(machine, tmp_path, wheels, starter)
    assert "changed=0" in again.splitlines()[-2]
    machine.run("systemctl stop bramble.socket bramble.service")
    until(lambda: _status(url) == 503)
    machine.run("systemctl start bramble.socket bramble.service")
    until(lambda: _status(url) == 200)


def _status(url: str) -> int:
    try:
        with urllib.request.urlopen(url) as page:
            return page.status
    except urllib.error.HTTPError as error:
        return error.code
