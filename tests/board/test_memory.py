"""How much may be taken: on recorded boards, in control groups of both versions, in a real one."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bramble.board import cgroup, memory, pressure
from bramble.board.memory import Bound
from tests.board.boards import TREES, copy, put

MB = 1_000_000
V1_MOUNT = "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
V1_UNLIMITED = 9223372036854771712


def test_the_machine_is_the_bound_where_nothing_else_is() -> None:
    now = memory.read(TREES / "zero2w")
    assert [bound.name for bound in now.bounds] == ["machine"]
    assert now.least.left == 251712 * 1024 - 64 * MB
    assert memory.zram(TREES / "zero2w") == now.swap == 426716 * 1024


def test_five_percent_are_kept_on_a_large_machine() -> None:
    now = memory.read(TREES / "pi5")
    assert now.least.reserve == int(8256128 * 1024 * 0.05)


def test_the_reserve_can_be_set() -> None:
    now = memory.read(TREES / "pi5", reserve=0)
    assert now.least.left == now.available
    assert now.least.room > 0


def test_high_is_a_limit_too_and_pages_soon_dropped_are_not_used() -> None:
    bound = memory.read(TREES / "pi4b").least
    used = 918552576 - 412368384
    assert bound == Bound("group", 1400 * MB, 1400 * MB - used - 70 * MB, 70 * MB)


def test_a_group_further_up_counts() -> None:
    (group,) = cgroup.limited_groups(TREES / "pc")
    assert group.path.endswith("user-1000.slice")
    assert memory.read(TREES / "pc").least.name == "group"


@pytest.mark.parametrize(("outer", "inner", "limit"), [(300, 700, 300), (700, 300, 300)])
def test_the_least_of_nested_limits_counts(
    tmp_path: Path, outer: int, inner: int, limit: int
) -> None:
    root = copy("pi4b", tmp_path)
    slice_ = "sys/fs/cgroup/system.slice"
    for name, amount in {slice_: outer, f"{slice_}/bramble.service": inner}.items():
        put(root, f"{name}/memory.max", f"{amount * MB}\n")
        put(root, f"{name}/memory.current", f"{100 * MB}\n")
        put(root, f"{name}/memory.stat", "inactive_file 0\n")
    assert memory.read(root).least.total == limit * MB


def _version_1(root: Path, limits: dict[str, int]) -> None:
    put(root, "proc/self/mountinfo", V1_MOUNT)
    put(root, "proc/self/cgroup", "9:name=systemd:/\n4:memory:/a/b\n0::/\n")
    for path, limit in limits.items():
        folder = f"sys/fs/cgroup/memory{path}"
        put(root, f"{folder}/memory.limit_in_bytes", f"{limit}\n")
        put(root, f"{folder}/memory.usage_in_bytes", f"{90 * MB}\n")
        put(root, f"{folder}/memory.stat", f"cache 1\ntotal_inactive_file {40 * MB}\n")


def test_version_1(tmp_path: Path) -> None:
    root = copy("pi3b", tmp_path)
    _version_1(root, {"": V1_UNLIMITED, "/a": 400 * MB, "/a/b": V1_UNLIMITED})
    assert cgroup.has_memory_controller(root)
    bound = memory.read(root).least
    assert bound == Bound("group", 400 * MB, 400 * MB - 50 * MB - 20 * MB, 20 * MB)


def test_a_container_sees_its_group_as_the_root(tmp_path: Path) -> None:
    root = copy("pi3b", tmp_path)
    _version_1(root, {"": 200 * MB})
    put(root, "proc/self/mountinfo", V1_MOUNT.replace(" / /sys", " /a/b /sys"))
    assert memory.read(root).least.total == 200 * MB


def test_a_setting_limits_what_bramble_has_already() -> None:
    now = memory.read(TREES / "pi5", limit=600 * MB, used=250 * MB)
    assert now.least == Bound("setting", 600 * MB, 600 * MB - 250 * MB - 30 * MB, 30 * MB)


def test_more_than_the_limit_is_less_than_nothing() -> None:
    assert memory.read(TREES / "pi5", limit=100 * MB, used=250 * MB).tightest.room < -1


def test_pressure_is_that_of_the_own_group_where_it_is_told() -> None:
    assert pressure.read(TREES / "pi4b") == pressure.Pressure(1.24, 0.61)
    assert pressure.read(TREES / "pc") == pressure.Pressure(0.0, 0.0)
    assert pressure.read(TREES / "pi3b") is None


def test_half_written_and_missing_files_stop_nothing(tmp_path: Path) -> None:
    root = copy("pi4b", tmp_path)
    put(root, "proc/meminfo", "MemTotal:   1000000 kB\nMemFree\nMemAvailable: many kB\n")
    put(root, "sys/fs/cgroup/system.slice/bramble.service/memory.max", "")
    put(root, "sys/fs/cgroup/system.slice/bramble.service/memory.high", "soon\n")
    now = memory.read(root)
    assert (now.total, now.available) == (1_024_000_000, 0)
    assert [bound.name for bound in now.bounds] == ["machine"]


def test_this_machine_agrees_with_psutil() -> None:
    now, theirs = memory.read(), psutil.virtual_memory()
    assert now.total == theirs.total
    assert now.available == pytest.approx(theirs.available, abs=500 * MB)
    own = memory.resident([psutil.Process().pid, 4_000_000])
    assert own == pytest.approx(psutil.Process().memory_info().rss, abs=20 * MB)


@pytest.fixture
def real_group() -> Iterator[Path]:
    """A control group with a limit of 300 MB, made below this process's own."""
    chain = cgroup.own_chain()
    if not chain:
        pytest.skip("NO CONTROL GROUP WAS TESTED: this kernel has no memory controller")
    own, version = chain[0]
    folder = own / "bramble-test"
    limit = folder / ("memory.max" if version == 2 else "memory.limit_in_bytes")
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"NO CONTROL GROUP WAS TESTED: {folder} cannot be made ({error.strerror})")
    try:
        try:
            limit.write_text(str(300 << 20))
        except OSError as error:
            pytest.skip(f"NO CONTROL GROUP WAS TESTED: {limit} cannot be set ({error.strerror})")
        yield folder
    finally:
        folder.rmdir()


INSIDE = """
import os, sys
open(sys.argv[1] + "/cgroup.procs", "w").write(str(os.getpid()))
from bramble.board import memory
before = memory.read().least
taken = bytearray(os.urandom(1 << 20) * 100)
after = memory.read().least
print(before.name, before.total, before.left - after.left)
"""


def test_a_real_group(real_group: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INSIDE, str(real_group)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    name, total, taken = done.stdout.split()
    assert (name, int(total)) == ("group", 300 << 20)
    assert int(taken) == pytest.approx(100 << 20, rel=0.2)
