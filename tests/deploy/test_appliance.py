"""From a fresh clone to a chatting appliance, and what systemd makes of it: `tests/run.sh -m systemd`."""

import json
import re
import shutil
import subprocess
import threading
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from tests.deploy.appliance import GUEST, PYTHON, REPO, Appliance, run, until
from tests.updates.packs import Keys, pack

pytestmark = [pytest.mark.systemd, pytest.mark.timeout(1800)]

SAME = "All settings mean what they meant."


@pytest.fixture(scope="module", params=list(PYTHON))
def appliance(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Appliance]:
    """A fresh Debian of each suite; the tests below go on with what the ones above made of it."""
    machine = Appliance(request.param, tmp_path_factory.mktemp("machine"))
    yield machine
    machine.close()


def deploy(machine: Appliance, wheels: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """deploy/deploy.sh as a person calls it."""
    command = [
        REPO / "deploy/deploy.sh",
        "--wheels",
        wheels,
        "--ssh",
        machine.ssh,
        *options,
        machine.address,
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=900)


def changed(done: subprocess.CompletedProcess[str]) -> int:
    """How much a deployment changed, in Ansible's own count."""
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"changed=(\d+)", done.stdout)
    assert found, done.stdout
    return int(found[1])


def status(path: str) -> int:
    """The status of a page of the appliance; 0 where the connection is refused."""
    try:
        with urllib.request.urlopen(f"http://{GUEST}{path}", timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def test_a_check_changes_nothing(appliance: Appliance, wheels: Path, starter: Path) -> None:
    assert changed(deploy(appliance, wheels, "--check", "--model", str(starter))) > 5
    assert appliance.run("ls /opt") == ""


def test_one_command_makes_an_appliance_that_answers(
    appliance: Appliance, wheels: Path, starter: Path
) -> None:
    done = deploy(appliance, wheels, "--model", str(starter))
    assert changed(done) > 5
    assert "Bramble answers: " in done.stdout
    assert status("/readyz") == 200
    assert "0 waiting" in appliance.property("StatusText")


def test_a_second_run_changes_nothing(appliance: Appliance, wheels: Path, starter: Path) -> None:
    before = appliance.property("MainPID")
    assert changed(deploy(appliance, wheels, "--model", str(starter))) == 0
    assert appliance.property("MainPID") == before


def test_nothing_is_denied_that_it_needs(appliance: Appliance) -> None:
    """The sandbox lets threads be pinned and priorities be raised, and has the engine die first."""
    engine = appliance.engine()
    cores = appliance.run(f"cat /proc/{engine}/task/*/status | grep Cpus_allowed_list").split("\n")
    assert len({line.split()[-1] for line in cores}) == len(cores)
    assert int(appliance.run(f"cat /proc/{engine}/oom_score_adj")) >= 500
    assert appliance.property("ControlGroup") == "/bramble.service", "weighed against all others"
    assert appliance.property("CPUWeight") == "2000"
    assert appliance.property("LimitNICE") == "30"  # 20 - (-10), as the kernel counts
    granted = appliance.run(f"grep 'Max nice priority' /proc/{engine}/limits").split()[-1]
    nice = appliance.run(f"ps -o ni= -p {engine}")
    assert nice == (
        "-10" if granted == "30" else "0"
    )  # a host without CAP_SYS_RESOURCE grants none
    assert "stay as they are" not in appliance.run("journalctl -u bramble --no-pager")


def test_a_killed_engine_leaves_the_daemon_alone(appliance: Appliance) -> None:
    before = appliance.property("MainPID")
    appliance.run(f"kill -9 {appliance.engine()}")
    until(lambda: status("/readyz") == 503)
    until(lambda: status("/readyz") == 200)
    assert appliance.property("MainPID") == before


def test_a_restart_refuses_nobody(appliance: Appliance) -> None:
    seen: list[int] = []
    over = threading.Event()

    def knock() -> None:
        while not over.is_set():
            seen.append(status("/healthz"))

    knocking = threading.Thread(target=knock)
    knocking.start()
    before = appliance.property("MainPID")
    appliance.run("systemctl restart bramble")
    assert appliance.property("MainPID") != before
    until(lambda: status("/readyz") == 200)
    over.set()
    knocking.join()
    assert set(seen) == {200}


def test_the_watchdog_replaces_a_daemon_that_hangs(appliance: Appliance) -> None:
    before = appliance.property("MainPID")
    appliance.run(f"kill -STOP {before}")
    until(lambda: appliance.property("MainPID") not in (before, "0"), seconds=90)
    until(lambda: status("/readyz") == 200)
    assert "Watchdog timeout" in appliance.run("journalctl -u bramble --no-pager")


def test_a_release_that_does_not_start_is_taken_back(
    appliance: Appliance, wheels: Path, starter: Path, tmp_path: Path
) -> None:
    running = appliance.run("readlink /opt/bramble/current")
    done = deploy(
        appliance, house_of(wheels, tmp_path, "9.9.0", broken=True), "--model", str(starter)
    )
    assert done.returncode != 0
    assert "the one before is back" in done.stdout + done.stderr
    assert SAME in done.stdout
    assert appliance.run("readlink /opt/bramble/current") == running
    until(lambda: status("/readyz") == 200)


def test_its_commands_act_on_what_the_service_keeps(appliance: Appliance) -> None:
    key = appliance.run("bramble keys add reader")
    assert "reader" in appliance.run("bramble keys list") and key
    assert appliance.run("stat -c %U /var/lib/bramble/access.json") == "bramble"
    appliance.run("bramble backup /root/all.sqlite")
    assert "in place" in appliance.run("bramble restore /root/all.sqlite")
    assert "SmolLM2" in appliance.run("bramble models list")
    assert "sudo bramble" in appliance.run("runuser -u nobody -- bramble doctor 2>&1 || true")


def test_a_signed_update_runs_and_a_broken_one_does_not(
    appliance: Appliance, wheels: Path, tmp_path: Path
) -> None:
    keys = Keys(tmp_path)
    appliance.run(f"mv {appliance.put(keys.public)} /etc/bramble/update.pub")
    # As if it had been started often already.
    few = "/run/systemd/system/bramble.service.d/few.conf"
    appliance.run(f"mkdir -p {Path(few).parent}; printf '[Unit]\nStartLimitBurst=1\n' > {few}")
    appliance.run("systemctl daemon-reload")

    def brought(name: str, version: str, *, broken: bool) -> str:
        house = house_of(wheels, tmp_path / name, version, broken=broken)
        made = pack(house, keys, tmp_path / f"{name}-out")
        appliance.put(made.with_name(f"{made.name}.minisig"))
        return appliance.put(made)

    good = brought("good", "9.8.0", broken=False)
    told = appliance.run(f"bramble update {good}")
    assert SAME in told and "Bramble 9.8.0 answers." in told
    assert status("/readyz") == 200
    assert "9.8.0" in appliance.run("bramble --version")
    assert "runs already" in appliance.run(f"bramble update {good}")
    running = appliance.run("readlink /opt/bramble/current")
    bad = brought("bad", "9.9.0", broken=True)
    told = appliance.run(f"bramble update {bad} 2>&1 || true")
    assert "9.9.0 did not answer; 9.8.0 is back" in told and "broken on purpose" in told
    assert appliance.run("readlink /opt/bramble/current") == running
    until(lambda: status("/readyz") == 200)
    appliance.run("bramble update --back")
    until(lambda: status("/readyz") == 200)
    assert "9.8.0" not in appliance.run("bramble --version")
    appliance.run(f"rm {few}; systemctl daemon-reload")


def test_the_admin_updates_it_on_the_page(
    appliance: Appliance, wheels: Path, tmp_path: Path
) -> None:
    keys = Keys(tmp_path)
    appliance.run(f"mv {appliance.put(keys.public)} /etc/bramble/update.pub")
    password = appliance.run("bramble password --random").splitlines()[0].split()[-1]

    def ask(method: str, path: str = "", body: bytes | None = None) -> dict[str, Any]:
        request = urllib.request.Request(
            f"http://{GUEST}/api/admin/update{path}", body, method=method
        )
        token = b64encode(f"admin:{password}".encode()).decode()
        request.add_header("Authorization", f"Basic {token}")
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def over() -> bool:
        try:
            told = ask("GET")
        except OSError:  # it is being started anew
            return False
        return told["well"] is not None and not told["running"]

    for version, broken in ("9.8.0", False), ("9.9.0", True):
        made = pack(
            house_of(wheels, tmp_path / version, version, broken=broken),
            keys,
            tmp_path / f"{version}-out",
        )
        ask("PUT", "/pack.tar", made.read_bytes())
        ask("PUT", "/pack.tar.minisig", made.with_name(f"{made.name}.minisig").read_bytes())
        ask("POST", body=b"{}")
        until(over, seconds=400)
        told = ask("GET")
        last = "9.9.0 did not answer; 9.8.0 is back" if broken else "Bramble 9.8.0 answers."
        assert told["well"] is not broken and last in " ".join(told["told"]), told
        assert "9.8.0" in appliance.run("bramble --version")
    appliance.run("bramble update --back")
    until(lambda: status("/readyz") == 200)


def test_it_can_be_taken_off_again(appliance: Appliance, wheels: Path) -> None:
    assert changed(deploy(appliance, wheels, "--uninstall")) > 0
    assert status("/healthz") == 0
    assert appliance.run("ls /var/lib/bramble/bramble.sqlite")
    assert changed(deploy(appliance, wheels, "--uninstall", "--purge")) > 0
    assert "bramble" not in appliance.run("ls /var/lib /opt /etc; getent passwd | cut -d: -f1")


def house_of(wheels: Path, folder: Path, version: str, *, broken: bool = False) -> Path:
    """The same wheelhouse with another version of Bramble, which may have lost a file that only serving needs."""
    house = folder / "house"
    shutil.copytree(wheels, house)
    wheel = next(house.glob("bramble-*.whl"))
    old = wheel.name.split("-")[1]
    with ZipFile(wheel) as whole:
        files = {name: whole.read(name) for name in whole.namelist() if "/RECORD" not in name}
    wheel.unlink()
    files = {name.replace(f"bramble-{old}", f"bramble-{version}"): files[name] for name in files}
    information = f"bramble-{version}.dist-info"
    for name in ("bramble/__init__.py", f"{information}/METADATA"):
        files[name] = files[name].replace(old.encode(), version.encode(), 1)
    if broken:
        files["bramble/server/app.py"] = (
            b'raise RuntimeError("this release is broken on purpose")\n'
        )
    record = f"{information}/RECORD"
    files[record] = "".join(f"{name},,\n" for name in (*files, record)).encode()
    new = house / wheel.name.replace(old, version)
    with ZipFile(new, "w") as changed:
        for name, data in files.items():
            changed.writestr(name, data)
    digest = run("sha256sum", new).split()[0]
    for lock in house.glob("requirements-*.lock"):
        own = f"bramble=={version} --hash=sha256:{digest}"
        lock.write_text(re.sub(r"^bramble==.*$", own, lock.read_text(), flags=re.MULTILINE))
    return house
