"""What only a kernel of its own shows: control groups of version 2, and a plug that is pulled: `tests/run.sh -m vm`."""

import asyncio
import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import ClientSession

from tests.daemons import SOMEBODY
from tests.deploy.appliance import REPO, until
from tests.deploy.vm import VirtualMachine
from tests.engine import tiny
from tests.page import page

pytestmark = [pytest.mark.vm, pytest.mark.timeout(2400)]

GROUP = "/sys/fs/cgroup/bramble.service"
SECONDS = 300.0
"""For whatever takes ten times as long on an emulated processor."""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, portable: Path) -> Iterator[VirtualMachine]:
    """A fresh Debian that deploy.sh has made an appliance, with a model of random words.

    An emulated processor needs more than the 60 s that an engine may be silent for the starter's first rows.
    """
    model = tiny.llama(tmp_path_factory.mktemp("model") / "tiny.gguf", context=4096)
    machine = VirtualMachine("trixie", tmp_path_factory.mktemp("vm"))
    try:
        # What is measured on an emulated processor beside its host's other work says nothing. An answer that goes on
        # by itself is not what was shown before the plug was pulled.
        engine = f"threads: 2, spin: 0, model: /var/lib/bramble/models/{model.name}"
        settings = f"{{engine: {{{engine}}}, chat: {{continue_after_restart: false}}}}"
        machine.run(f"mkdir -p /etc/bramble; echo '{settings}' > /etc/bramble/config.yaml")
        command = [REPO / "deploy/deploy.sh", "--wheels", portable, "--ssh", machine.ssh]
        command += ["--model", model, machine.address]
        done = subprocess.run(command, capture_output=True, text=True, timeout=1800)
        assert done.returncode == 0, done.stdout + done.stderr
        yield machine
    finally:
        machine.close()


@pytest.fixture(autouse=True)
def journal(machine: VirtualMachine) -> Iterator[None]:
    """What the appliance wrote down stands below a test that failed."""
    yield
    if machine.reaches("true"):
        print(machine.run("journalctl --boot --unit bramble --no-pager --lines 60"))


def ready(machine: VirtualMachine) -> dict[str, str]:
    """What /readyz says, with its status as `code`."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{machine.port}/readyz", timeout=60) as said:
            return {**json.load(said), "code": "200"}
    except urllib.error.HTTPError as error:
        return {**json.load(error), "code": str(error.code)}
    except OSError:
        return {"code": ""}


def in_group(machine: VirtualMachine, file: str) -> int:
    return int(machine.run(f"cat {GROUP}/{file}"))


def not_reclaimable(machine: VirtualMachine) -> int:
    """Bytes of the service that no file on the disk has: without swap the kernel cannot take them."""
    return int(machine.run(f"awk '/^anon / {{ print $2 }}' {GROUP}/memory.stat"))


def test_the_kernel_has_the_limits_that_the_unit_declares(machine: VirtualMachine) -> None:
    total = 1024 * int(machine.run("awk '/^MemTotal/ { print $2 }' /proc/meminfo"))
    assert in_group(machine, "memory.max") == pytest.approx(0.92 * total, rel=0.01)
    assert in_group(machine, "memory.high") == pytest.approx(0.85 * total, rel=0.01)
    assert in_group(machine, "memory.swap.max") == 0
    assert in_group(machine, "cpu.weight") == 400
    assert in_group(machine, "pids.max") == 256


def test_memory_max_kills_the_engine_and_not_the_daemon(machine: VirtualMachine) -> None:
    daemon, engine = machine.property("MainPID"), machine.engine()
    limit = "systemctl set-property --runtime bramble.service MemoryHigh=infinity MemoryMax="
    machine.run(f"{limit}{not_reclaimable(machine) - (12 << 20)}")
    until(lambda: "oom_kill 0" not in machine.run(f"cat {GROUP}/memory.events"), SECONDS)
    until(lambda: ready(machine)["code"] == "503", SECONDS)
    assert not machine.reaches(f"test -d /proc/{engine}")
    assert machine.property("MainPID") == daemon
    assert "memory" in ready(machine)["reason"]
    machine.run(f"{limit}92%")
    until(lambda: ready(machine)["code"] == "200", SECONDS)
    assert machine.property("MainPID") == daemon
    assert machine.property("NRestarts") == "0"


async def test_what_was_acknowledged_survives_a_pulled_plug(machine: VirtualMachine) -> None:
    url = f"http://127.0.0.1:{machine.port}"
    until(lambda: ready(machine)["code"] == "200", SECONDS)
    async with ClientSession(headers=SOMEBODY) as http, page(http, url, patience=SECONDS) as one:
        said = await one.say("Tell me a long story about a lighthouse.")
        await one.piece(3)
        shown = one.text(said["answer"])
        await asyncio.to_thread(machine.pull_the_plug)
    began = time.monotonic()
    await asyncio.to_thread(machine.boot)
    await asyncio.to_thread(until, lambda: ready(machine)["code"] == "200", SECONDS)
    print(f"answers again {time.monotonic() - began:.0f} s after the power came back")
    async with ClientSession(headers=SOMEBODY) as http, page(http, url, patience=SECONDS) as one:
        messages = (await one.open(said["conversation"]))["messages"]
    assert [each["role"] for each in messages] == ["user", "assistant"]
    assert messages[0]["text"] == "Tell me a long story about a lighthouse."
    assert shown.startswith(messages[1]["text"])
