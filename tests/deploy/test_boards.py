"""The wheelhouse on emulated boards: the starter model answers, with the kernels that each processor can use.

Needs qemu-user, mmdebstrap and about half an hour the first time: `tests/run.sh -m boards`.
"""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bramble.engine.wire import Ready
from tests.engine.rig import Ask, Rig

REPO = Path(__file__).parents[2]
SUITE, PYTHON = "trixie", "3.13"
PACKAGES = "python3,libgomp1,libstdc++6,libsystemd0"
ASK = Ask("What is the capital of France?", tokens=12)
PATIENCE = 900.0
"""Seconds for one message: an emulator computes some hundred times slower."""

pytestmark = [pytest.mark.boards, pytest.mark.timeout(5400)]


@pytest.fixture(scope="module")
def wheelhouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What deploy/wheels/build.sh makes for this Python; llama-cpp-python comes from its cache if it can."""
    folder = tmp_path_factory.mktemp("wheelhouse")
    build = [REPO / "deploy/wheels/build.sh", "--output", folder, "--python", PYTHON]
    subprocess.run(build, check=True)
    return folder


@pytest.fixture(scope="module")
def root(wheelhouse: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An arm64 Debian, unpacked and not set up, with the wheels installed as pip would."""
    for tool in "mmdebstrap", "qemu-aarch64-static":
        if shutil.which(tool) is None:
            pytest.fail(f"{tool} is missing: apt-get install mmdebstrap qemu-user-static")
    root = tmp_path_factory.mktemp("board") / "root"
    unpack = ["mmdebstrap", "--quiet", "--architectures=arm64", "--variant=extract"]
    subprocess.run([*unpack, f"--include={PACKAGES}", SUITE, root], check=True)
    if not (root / "lib").exists():
        (root / "lib").symlink_to("usr/lib")
    packages = root / "usr/lib/python3/dist-packages"
    install = [
        "pip",
        "install",
        "--quiet",
        "--no-index",
        "--find-links",
        wheelhouse,
        "--target",
        packages,
    ]
    board = ["--platform=linux_aarch64", "--only-binary=:all:", f"--python-version={PYTHON}"]
    for platform in "manylinux2014", "manylinux_2_17", "manylinux_2_28", "manylinux_2_34":
        board.append(f"--platform={platform}_aarch64")
    lock = ["--require-hashes", "-r", wheelhouse / f"requirements-{PYTHON}.lock"]
    subprocess.run([*install, *board, *lock], check=True)
    yield root
    shutil.rmtree(root)


@pytest.fixture(scope="module")
def here(starter: Path) -> str:
    """What the model says on this machine."""
    rig = Rig(starter, context=512, slots=1)
    try:
        return rig.answer(ASK).text
    finally:
        rig.close()


@pytest.mark.parametrize(
    ("processor", "board", "kernels"),
    [
        ("cortex-a53", "Pi 3 and Zero 2 W", "armv8.0_1"),
        ("cortex-a72", "Pi 4", "armv8.0_1"),
        ("cortex-a76", "Pi 5", "armv8.2_2"),
    ],
)
def test_each_board_computes_the_same_with_the_kernels_of_its_processor(
    root: Path, starter: Path, here: str, processor: str, board: str, kernels: str
) -> None:
    emulator = ("qemu-aarch64-static", "-cpu", processor, "-L", str(root))
    # Through the emulator: without the loader of this machine python3 would find this machine's libraries.
    python = (*emulator, "-E", "OMP_NUM_THREADS=2", str(root / "usr/bin/python3"), "-S", "-P")
    environment = {"PYTHONPATH": str(root / "usr/lib/python3/dist-packages")}
    rig = None
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            rig = Rig(starter, context=512, slots=1, python=python, patience=PATIENCE)
        assert isinstance(rig.first, Ready), rig.first
        assert rig.first.kernels == kernels, board
        answer = rig.answer(ASK)
        # Other kernels add in another order: a near-tie late in the text may fall the other way, its beginning may not.
        assert answer.text[:20] == here[:20]
    finally:
        if rig is not None:
            rig.close()
