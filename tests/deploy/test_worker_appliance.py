"""`deploy/deploy.sh --worker` on a Debian with its own systemd: it computes for the engine of this machine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bramble.engine.wire import Ready
from tests.deploy.appliance import GUEST, Appliance, until
from tests.deploy.test_appliance import changed, deploy
from tests.engine.rig import Ask, Rig

pytestmark = [pytest.mark.systemd, pytest.mark.timeout(1800)]
ASK = Ask("What is the capital of France?", tokens=12)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Appliance]:
    machine = Appliance("trixie", tmp_path_factory.mktemp("worker"))
    yield machine
    machine.close()


def answer(model: Path, *workers: str) -> str:
    """What it says with these."""
    rig = Rig(model, context=512, slots=1, changes={"rpc": workers})
    try:
        assert isinstance(rig.first, Ready), rig.first
        return rig.answer(ASK).text
    finally:
        rig.close()


def test_it_computes_a_part_and_is_there_again_after_a_kill(
    machine: Appliance, wheels: Path, starter: Path
) -> None:
    done = deploy(machine, wheels, "--worker")
    assert changed(done) > 5
    assert f'engine: {{rpc: ["{GUEST}:50052"]}}' in done.stdout.replace("\\", "")
    assert changed(deploy(machine, wheels, "--worker")) == 0
    alone = answer(starter)
    assert answer(starter, f"{GUEST}:50052") == alone
    before = machine.property("MainPID", "bramble-worker")
    machine.run(f"kill -9 {before}")
    until(lambda: machine.property("ActiveState", "bramble-worker") == "active")
    assert machine.property("MainPID", "bramble-worker") != before
    assert answer(starter, f"{GUEST}:50052") == alone
    assert changed(deploy(machine, wheels, "--uninstall")) > 0
    assert machine.run("systemctl is-active bramble-worker || true") == "inactive"
