"""`deploy/deploy.sh --https --private-network` on a Debian with its own systemd."""

import ssl
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.appliance import GUEST, Appliance
from tests.deploy.test_appliance import changed, deploy

pytestmark = [pytest.mark.systemd, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Appliance]:
    machine = Appliance("trixie", tmp_path_factory.mktemp("options"))
    yield machine
    machine.close()


def test_it_serves_https_to_the_home_network_alone(
    machine: Appliance, wheels: Path, starter: Path, tmp_path: Path
) -> None:
    options = ("--https", "--private-network", "--model", str(starter))
    done = deploy(machine, wheels, *options)
    assert changed(done) > 5
    assert "Open https://" in done.stdout and ".local/ on any phone" in done.stdout
    assert changed(deploy(machine, wheels, *options)) == 0
    certificate = tmp_path / "certificate.pem"
    certificate.write_text(machine.run("cat /var/lib/bramble/tls/certificate.pem"))
    context = ssl.create_default_context(cafile=certificate)
    context.check_hostname = False  # it has the machine's names, not the address of this test
    with urllib.request.urlopen(f"https://{GUEST}/healthz", context=context) as answer:
        assert answer.status == 200
    for unit in "bramble.service", "bramble.socket":
        assert "192.168.0.0/16" in machine.property("IPAddressAllow", unit)
        assert "0.0.0.0/0" in machine.property("IPAddressDeny", unit)
    assert "changed=0" not in deploy(machine, wheels, "--uninstall").stdout
    assert machine.run("ls /etc/systemd/system | grep bramble || true") == "bramble.service.d"
