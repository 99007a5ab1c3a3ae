"""A control group that was handed over: its halves, and that a group which counts its parts holds no process."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bramble.board import cgroup, delegation, oom, pressure
from bramble.board.cgroup import DAEMON
from bramble.board.delegation import ENGINES
from tests.board.boards import copy, put
from tests.daemons import Live
from tests.groups import limited, remove, unified

SERVICE = "sys/fs/cgroup/system.slice/bramble.service"
DIVIDE = """
import os, sys
from pathlib import Path
from bramble.board.delegation import halves, place
group = Path(sys.argv[1])
place(os.getpid(), group)
print(halves(group, (sys.argv[2],)), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def group() -> Iterator[Path]:
    """An empty group of version 2 with one controller, whichever there is; `memory` is often taken by version 1."""
    own = unified()
    switch, folder = own / "cgroup.subtree_control", own / f"bramble-test-{os.getpid()}"
    before = switch.read_text().split()
    there = (own / "cgroup.controllers").read_text().split()
    added = [one for one in (*before, *there)[:1] if one not in before]
    try:
        for one in added:
            switch.write_text(f"+{one}")
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"NO DIVIDED GROUP WAS TESTED: {error}")
    yield folder
    remove(folder)
    for one in added:
        switch.write_text(f"-{one}")


def test_both_halves_and_what_counts_them(group: Path) -> None:
    """With a real controller: the kernel refuses it to a group that still holds a process."""
    controllers = (group / "cgroup.controllers").read_text().split()
    if not controllers:
        pytest.skip("NO CONTROLLER WAS DIVIDED: none is left to version 2 here")
    one = "memory" if "memory" in controllers else controllers[0]
    command = [sys.executable, "-c", DIVIDE, str(group), one]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout is not None and process.stdin is not None
        engines = Path(process.stdout.readline().strip())
        assert engines == group / ENGINES
        assert (group / DAEMON / "cgroup.procs").read_text().split() == [str(process.pid)]
        assert (group / "cgroup.procs").read_text() == ""
        assert (group / "cgroup.subtree_control").read_text().split() == [one]
        assert one in (engines / "cgroup.controllers").read_text().split()
        with subprocess.Popen(["sleep", "60"]) as engine:
            delegation.place(engine.pid, engines)
            assert (engines / "cgroup.procs").read_text().split() == [str(engine.pid)]
            engine.kill()
        process.stdin.close()


def test_only_what_is_handed_over_is_divided(group: Path) -> None:
    assert not delegation.is_delegated(group)
    os.setxattr(group, "user.delegate", b"1")
    assert delegation.is_delegated(group)
    assert not delegation.is_delegated(group / "nowhere")


def test_a_daemon_in_its_half_still_sees_all_of_bramble(tmp_path: Path) -> None:
    root = copy("pi4b", tmp_path)
    before = cgroup.limited_groups(root)
    assert before
    path = f"0::/system.slice/bramble.service/{DAEMON}\n"
    put(root, "proc/self/cgroup", path)
    put(root, f"{SERVICE}/{DAEMON}/memory.max", "max\n")
    put(root, f"{SERVICE}/memory.events", "oom_kill 3\n")
    cgroup.own_chain.cache_clear()
    assert cgroup.limited_groups(root) == before
    assert pressure.source(root) == root / SERVICE / "memory.pressure"
    assert oom.kills(root) == 3


def test_an_engine_has_a_group_of_its_own_and_dies_in_it(starter: Path, tmp_path: Path) -> None:
    """Where the kernel counts memory by version 2: the daemon lives, says why the engine ended, and starts another."""
    if not (chain := cgroup.own_chain()) or chain[0][1] != 2:
        pytest.skip("NO DELEGATED GROUP WAS TESTED: memory is not counted by version 2 here")
    with limited(1000) as group:
        os.setxattr(group.folder, "user.delegate", b"1")
        live = Live(tmp_path, f"engine.model={starter}", under=group.enter)
        daemon = psutil.Process(live.process.pid)
        (engine,) = daemon.children()
        engines = group.folder / ENGINES
        assert (engines / "cgroup.procs").read_text().split() == [str(engine.pid)]
        assert (group.folder / DAEMON / "cgroup.procs").read_text().split() == [str(daemon.pid)]
        assert int((group.folder / DAEMON / "memory.low").read_text()) == delegation.KEPT
        (engines / "memory.max").write_text("1000000")
        psutil.wait_procs([engine], timeout=60)
        assert not engine.is_running() and group.killed
        (engines / "memory.max").write_text("max")
        deadline = time.monotonic() + 60
        while not (procs := (engines / "cgroup.procs").read_text()) or procs == f"{engine.pid}\n":
            assert time.monotonic() < deadline
            time.sleep(0.1)
        live.end()
        assert live.process.returncode == 0
        log = live.log.read_text()
        assert "memory ran out" in log and "cannot be divided" not in log
