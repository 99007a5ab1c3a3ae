"""The wheelhouse on emulated boards: the starter model answers, with the kernels that each processor can use.

Needs qemu-user, mmdebstrap and about half an hour the first time: `tests/run.sh -m boards`.
"""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bramble.engine.extras import Extras
from bramble.engine.wire import Drawn, Ready
from tests.engine.rig import Answer, Ask, Rig

REPO = Path(__file__).parents[2]
SUITE, PYTHON = "trixie", "3.13"
PACKAGES = "python3,libgomp1,libstdc++6,libsystemd0"
ASK = Ask("What is the capital of France?", tokens=12, extras=Extras(logprobs=2))
TIE = 1.0
"""Nats by which rounding may turn what comes next, as in `tests/faults/engine_kill`."""
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
    board.append("--ignore-requires-python")  # pip asks the Python that it runs in itself
    for platform in "manylinux2014", "manylinux_2_17", "manylinux_2_28", "manylinux_2_34":
        board.append(f"--platform={platform}_aarch64")
    lock = ["--require-hashes", "-r", wheelhouse / f"requirements-{PYTHON}.lock"]
    subprocess.run([*install, *board, *lock], check=True)
    yield root
    shutil.rmtree(root)


@pytest.fixture(scope="module")
def here(starter: Path) -> list[Drawn]:
    """What the model says on this machine."""
    rig = Rig(starter, context=512, slots=1)
    try:
        return drawn(rig.answer(ASK))
    finally:
        rig.close()


def drawn(answer: Answer) -> list[Drawn]:
    return [one for piece in answer.pieces for one in piece.drawn]


def lead(token: Drawn) -> float:
    """By how many nats the likeliest one leads."""
    first, second = sorted((each.logprob for each in token.top), reverse=True)[:2]
    return first - second


@pytest.mark.parametrize(
    ("processor", "board", "kernels"),
    [
        ("cortex-a53", "Pi 3 and Zero 2 W", "armv8.0_1"),
        ("cortex-a72", "Pi 4", "armv8.0_1"),
        ("cortex-a76", "Pi 5", "armv8.2_2"),
    ],
)
def test_each_board_computes_the_same_with_the_kernels_of_its_processor(
    root: Path, starter: Path, here: list[Drawn], processor: str, board: str, kernels: str
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
        there = drawn(rig.answer(ASK))
        assert len(there) == len(here)
        # Other kernels add in another order: behind a near-tie that falls the other way all may differ.
        parted = [
            ours for ours, theirs in zip(here, there, strict=True) if ours.token != theirs.token
        ]
        assert not parted or lead(parted[0]) < TIE
        assert here[0].token == there[0].token
    finally:
        if rig is not None:
            rig.close()
