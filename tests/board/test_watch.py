"""The watch on the machine it runs on and on a board that a test changes: what it tells, how soon, at what cost."""

import asyncio
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bramble.board import cgroup, pressure
from bramble.board.levels import Change, Level, Shed
from bramble.board.watch import Needs, Watch, reading
from bramble.config import Config, GuardSettings, load
from tests.board.boards import TREES, copy, put

SECONDS = 20.0
DEFAULTS = Config().guard
COST = 0.005
"""CPU seconds of a look: with one a second, 0.5 % of a core."""


@asynccontextmanager
async def watching(
    root: Path = Path("/"), settings: GuardSettings = DEFAULTS, answering: int = 0
) -> AsyncGenerator[tuple[Watch, "asyncio.Queue[Change]"]]:
    """A watch that runs, and the changes it tells."""
    changes: asyncio.Queue[Change] = asyncio.Queue()
    watch = Watch(settings, cores=4, needs=lambda: Needs(answering=answering), root=root)
    watch.watch(changes.put_nowait)
    watch.start()
    try:
        yield watch, changes
    finally:
        await watch.stop()


async def test_heat_is_told(tmp_path: Path) -> None:
    root = copy("pi5", tmp_path)
    async with watching(root) as (watch, changes):
        put(root, "sys/class/thermal/thermal_zone0/temp", "86000\n")
        change = await asyncio.wait_for(changes.get(), SECONDS)
        assert change.code == "hot" and change.state == watch.state
        assert change.sentence == "The Pi is at 86 °C, answering with 2 of 4 cores until it cools."
        assert watch.facts is not None and watch.facts.heat.celsius == 86.0


async def test_a_weak_supply_is_no_heat() -> None:
    """The firmware says 0x50005: too little voltage, and slowed down because of it."""
    async with watching(TREES / "pi3b") as (watch, changes):
        change = await asyncio.wait_for(changes.get(), SECONDS)
        assert (change.code, change.state.threads) == ("weak_supply", 3)
        assert watch.facts is not None
        told = reading(watch.facts, Needs(), 0.0)
        assert told.weak_supply and not told.throttled


async def test_the_settings_count(tmp_path: Path) -> None:
    root = copy("pi5", tmp_path)
    settings = load(None, ["guard.heat.soft=50", "guard.heat.hard=100"]).guard
    async with watching(root, settings) as (_, changes):
        change = await asyncio.wait_for(changes.get(), SECONDS)
        assert change.state.threads == 3


async def test_memory_that_runs_out_is_told(tmp_path: Path) -> None:
    root = copy("pi4b", tmp_path)
    put(root, "sys/class/thermal/thermal_zone0/temp", "50000\n")
    async with watching(root, answering=1) as (watch, changes):
        usage = "sys/fs/cgroup/system.slice/bramble.service/memory.current"
        put(root, usage, f"{2_000_000_000}\n")
        change = await asyncio.wait_for(changes.get(), SECONDS)
        assert change.state.level is Level.CRITICAL
        assert Shed.NEW_ANSWERS in watch.state.shed


def test_a_limit_that_is_set_counts_what_bramble_has() -> None:
    """This test is larger than the least limit there is."""
    settings = load(None, ["guard.memory.limit=64"]).guard
    own = int(Path("/proc/self").readlink().name)
    ballast = bytearray(b"x" * 100_000_000)
    watch = Watch(settings, cores=4, needs=lambda: Needs(processes=(own,)))
    change = watch.look()
    assert change is not None and change.code == "memory_critical"
    assert len(ballast) == 100_000_000


async def test_what_the_board_does_not_tell_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = copy("pi4b", tmp_path)
    with caplog.at_level(logging.INFO, "bramble.board"):
        async with watching(root) as (watch, changes):
            await asyncio.wait_for(changes.get(), SECONDS)  # it is hot
            watch.look()
            watch.look()
    told = [record.message for record in caplog.records if "under-voltage" in record.message]
    assert told == ["This machine tells under-voltage, but not whether it is slowed down."]


async def test_a_look_that_fails_is_not_the_last(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = copy("pi5", tmp_path)
    put(root, "sys/class/thermal/thermal_zone0/temp", "86000\n")
    looks = 0

    def needs() -> Needs:
        nonlocal looks
        looks += 1
        if looks == 1:
            raise OSError("the first look fails")
        return Needs()

    changes: asyncio.Queue[Change] = asyncio.Queue()
    watch = Watch(DEFAULTS, cores=4, needs=needs, root=root)
    watch.watch(changes.put_nowait)
    watch.start()
    assert (await asyncio.wait_for(changes.get(), SECONDS)).code == "hot"
    await watch.stop()
    assert "the board could not be looked at" in caplog.text


def test_a_look_costs_little() -> None:
    watch = Watch(Config().guard, cores=2)
    watch.look()
    before = time.process_time()
    for _ in range(50):
        watch.look()
    assert (time.process_time() - before) / 50 < COST


HOG = """
import os, sys
open(sys.argv[1] + "/cgroup.procs", "w").write(str(os.getpid()))
path = sys.argv[2]
with open(path, "wb") as file:
    for _ in range(96):
        file.write(os.urandom(1 << 20))
ballast = bytearray(20 << 20)
ballast[::4096] = b"x" * (len(ballast) // 4096)
while True:
    with open(path, "rb") as file:
        while file.read(1 << 20):
            ballast[::4096] = ballast[::4096]
"""


def test_real_pressure_wakes(tmp_path: Path) -> None:
    """A process in a group with too little memory reads a file again and again: the kernel's trigger must tell."""
    chain = cgroup.own_chain()
    if not chain:
        pytest.skip("NO PRESSURE WAS TESTED: this kernel has no memory controller")
    own, version = chain[0]
    limit = "memory.max" if version == 2 else "memory.limit_in_bytes"
    # A disk that is quick at the moment lets the process wait for too little; another file is another try.
    assert any(_is_woken(own / "bramble-hog", limit, tmp_path / f"file{n}") for n in range(4))


def _is_woken(folder: Path, limit: str, file: Path) -> bool:
    """Whether the trigger tells within 15 s of a hog in a group of this folder."""
    alarm = pressure.Alarm()
    try:
        alarm.listen()
        folder.mkdir()
    except OSError as error:
        alarm.close()
        pytest.skip(f"NO PRESSURE WAS TESTED: {error}")
    (folder / limit).write_text(str(48 << 20))
    hog = subprocess.Popen([sys.executable, "-c", HOG, str(folder), str(file)])
    try:
        woke = alarm.wait(15)
        assert hog.poll() is None, "the kernel ended the hog"
        return woke
    finally:
        hog.kill()
        hog.wait()
        alarm.close()
        folder.rmdir()
        file.unlink(missing_ok=True)


def test_pressure_of_the_machine_wakes_where_the_group_may_not_be_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pressure, "source", lambda: tmp_path / "read-only")
    alarm = pressure.Alarm()
    try:
        alarm.listen()
        files = {os.path.realpath(each) for each in Path("/proc/self/fd").iterdir()}
        assert "/proc/pressure/memory" in files
    except FileNotFoundError:
        pytest.skip("NO PRESSURE WAS TESTED: this kernel measures none")
    finally:
        alarm.close()


def test_a_bell_ends_a_wait() -> None:
    alarm = pressure.Alarm()
    thread = threading.Thread(target=alarm.ring)
    began = time.monotonic()
    thread.start()
    assert alarm.wait(60) is False
    assert time.monotonic() - began < SECONDS
    thread.join()
    alarm.close()


async def test_without_triggers_it_is_looked_at(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pressure, "_TRIGGER", b"some nonsense")
    with caplog.at_level(logging.INFO, "bramble.board"):
        async with watching() as (watch, _):
            async with asyncio.timeout(SECONDS):
                while watch.facts is None:
                    await asyncio.sleep(0.05)
    assert "Memory pressure wakes nobody" in caplog.text
