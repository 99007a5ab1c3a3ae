"""`bramble bench` with the real model, short: what it measures, and how it says that it cannot."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from bramble.bench import measure
from bramble.engine.survey import Report, Step
from bramble.errors import ModelUnavailable
from bramble.survey import tuning_file

SHORT = ("--prompt=32", "--generate=4", "--repetitions=1")
CORES = len(os.sched_getaffinity(0))


def bramble(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bramble", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100)


@pytest.fixture(scope="module")
def report(starter: Path) -> tuple[Report, list[Step]]:
    steps: list[Step] = []
    report = measure(starter, prompt=64, generate=8, repetitions=2, progress=steps.append)
    return report, steps


def test_every_figure_follows_from_what_was_measured(
    report: tuple[Report, list[Step]], starter: Path
) -> None:
    figures, _ = report
    assert figures.file_bytes == starter.stat().st_size
    assert 0.9 * figures.file_bytes < figures.bytes_per_token < figures.file_bytes
    assert figures.file_bytes < figures.peak_memory_bytes < 4 * figures.file_bytes
    assert [speed.threads for speed in figures.decode] == [s.threads for s in figures.prefill]
    assert figures.decode[-1].threads == CORES
    best = max(speed.tokens_per_second for speed in figures.decode)
    streamed = best * figures.bytes_per_token
    share = streamed / figures.memory_bandwidth_bytes_per_second
    assert figures.share_of_bandwidth == pytest.approx(share, abs=1e-3)
    assert 0 < figures.load_seconds < 60


def test_steps_tell_how_far_it_is(report: tuple[Report, list[Step]]) -> None:
    _, steps = report
    fractions = [step.fraction for step in steps]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0 and 0.9 < fractions[-1] <= 1
    assert {"loading", "prefill, 1 thread", "reading memory"} <= {step.what for step in steps}


def test_json_is_all_there_is_on_stdout(starter: Path) -> None:
    done = bramble("bench", starter, "--json", *SHORT)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    told = json.loads(done.stdout)
    assert told["file"] == str(starter)
    assert {"threads", "tokens_per_second"} == set(told["decode"][0])


def test_the_table_is_for_people(starter: Path) -> None:
    done = bramble("bench", starter, *SHORT)
    assert done.returncode == 0, done.stderr
    assert "decode, 4 tokens" in done.stdout
    assert "of what memory allows" in done.stdout.replace("\n", " ")


@pytest.mark.parametrize("size", [6, 20_000, 5_000_000])
def test_a_damaged_model_is_one_sentence(starter: Path, tmp_path: Path, size: int) -> None:
    file = tmp_path / "half.gguf"
    with starter.open("rb") as whole:
        file.write_bytes(whole.read(size))
    done = bramble("bench", file)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("bramble: The model file half.gguf cannot be used: ")
    assert len(done.stderr.splitlines()) == 2


def test_a_missing_model_is_one_sentence(tmp_path: Path) -> None:
    done = bramble("bench", tmp_path / "none.gguf")
    assert done.stderr.startswith(f"bramble: There is no file {tmp_path}/none.gguf.\n")
    with pytest.raises(ModelUnavailable, match="cannot be read"):
        measure(tmp_path / "none.gguf")


def test_control_c_ends_the_measuring_process_too(starter: Path) -> None:
    command = [sys.executable, "-m", "bramble", "bench", str(starter), "--repetitions=1000"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while not (child := children.read_text().strip()) and process.poll() is None:
        pass
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert out == ""
    assert err.strip() == "bramble: stopped before it was finished."
    deadline = time.monotonic() + 10
    while is_alive(int(child)):
        assert time.monotonic() < deadline


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_tuning_is_shown_remembered_and_used(starter: Path, tmp_path: Path) -> None:
    done = bramble("bench", starter, "--tune", *SHORT, "--set", f"state_dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    shown = re.search(r"(\d+) to decode, (\d+) to prefill", done.stdout.replace("\n", " "))
    assert shown is not None
    chosen = {"decode": int(shown[1]), "prefill": int(shown[2])}
    assert list(json.loads(tuning_file(tmp_path).read_text()).values()) == [chosen]


def test_tuning_that_cannot_be_remembered_is_one_sentence(starter: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    done = bramble("bench", starter, "--tune", *SHORT, "--set", f"state_dir={tmp_path}")
    assert done.returncode == 1
    assert done.stderr.startswith("bramble: What was measured cannot be remembered: ")
