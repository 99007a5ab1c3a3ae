"""`bramble models tune` as a person meets it: the real command on a random model that is large enough to gain."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bramble.errors import NotFound
from bramble.models.library import resolve
from tests.tuning.tiny import Head, tensor_types, write_model

DEADLINE = 100.0
ACCEPT = "--loss=20"  # random weights foretell nothing, so every candidate would do


def command(models: Path, *arguments: str | Path) -> list[str]:
    return [
        *(sys.executable, "-m", "bramble", "models"),
        *map(str, arguments),
        f"--set=models_dir={models}",
    ]


def bramble(models: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(models, *arguments),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        env=os.environ | {"COLUMNS": "200"},
    )


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Large enough that its speed is that of memory: 4 bits a weight are several times as fast as 32."""
    folder = tmp_path_factory.mktemp("source")
    return write_model(folder / "Some-Model.F32.gguf", width=512, head=Head.SAME)


@pytest.fixture(scope="module")
def models(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A models_dir with the tuned version of `source`, and what the command said about it."""
    folder = tmp_path_factory.mktemp("models")
    done = bramble(folder, "tune", source, ACCEPT, "--json", "--beside", source)
    assert done.returncode == 0, done.stderr
    (folder / "said").write_text(done.stdout)
    yield folder


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


def left(folder: Path) -> set[str]:
    """Everything below the folder that is not the empty scratch folder itself."""
    return {str(each.relative_to(folder)) for each in folder.rglob("*")} - {".tune"}


def test_the_best_is_kept_and_remembered(models: Path, source: Path) -> None:
    said = json.loads((models / "said").read_text())
    rows = {row["name"]: row for row in said["rows"]}
    assert list(rows) == ["source", source.name, "IQ4_NL", "Q4_0", "IQ4_NL+Q4_1"]
    assert rows["source"]["mean_kl"] == 0 and rows[source.name]["mean_kl"] < 1e-4
    chosen = rows[said["chosen"]]
    assert chosen["kind"] == "candidate"
    assert chosen["tokens_per_second"] > 1.03 * rows["source"]["tokens_per_second"]
    assert 0 < chosen["mean_kl"] < 20 and 0 < chosen["same_top"] <= 1
    file = models / "Some-Model.F32-tuned.gguf"
    assert file.stat().st_size == chosen["file_bytes"] == said["file_bytes"]
    assert file.stat().st_size < 0.2 * source.stat().st_size
    assert said["head_dropped"] and "output.weight" not in tensor_types(file)
    assert left(models) == {"said", file.name, "Some-Model.F32-tuned.json"}
    assert json.loads((models / "Some-Model.F32-tuned.json").read_text()) == said


def test_it_is_a_model_by_name(models: Path, source: Path) -> None:
    assert resolve("Some-Model.F32-tuned", models) == models / "Some-Model.F32-tuned.gguf"
    listed = bramble(models, "list").stdout
    (line,) = (line for line in listed.splitlines() if line.startswith("Some-Model.F32-tuned"))
    assert source.name in line and line.split()[-1] == "yes"


def test_the_same_again_is_known(models: Path, source: Path) -> None:
    began = time.monotonic()
    done = bramble(models, "tune", source, ACCEPT)
    assert time.monotonic() - began < 10
    assert done.returncode == 0
    assert "This was measured before" in done.stdout
    assert "engine.model: Some-Model.F32-tuned" in done.stdout
    assert f"The original stays at {source}" in done.stdout


@pytest.mark.parametrize("name", ["Some-Model.F32-tuned", "Some-Model.F32-tuned.gguf"])
def test_what_is_tuned_is_not_tuned_again(models: Path, name: str) -> None:
    done = bramble(models, "tune", models / name if name.endswith("gguf") else name)
    assert done.returncode == 1
    assert "is tuned already" in done.stderr


def test_undo_takes_it_back(models: Path, source: Path, models_dir: Path) -> None:
    for file in models.glob("*-tuned.*"):
        (models_dir / file.name).write_bytes(file.read_bytes())
    done = bramble(models_dir, "tune", source, "--undo")
    assert done.returncode == 0, done.stderr
    assert str(source) in done.stdout
    assert left(models_dir) == set() and source.is_file()
    assert bramble(models_dir, "tune", source, "--undo").returncode == 78
    with pytest.raises(NotFound):
        resolve("Some-Model.F32-tuned", models_dir)


def test_undo_keeps_the_last_copy(models: Path, source: Path, models_dir: Path) -> None:
    for file in models.glob("*-tuned.*"):
        text = file.read_bytes().replace(bytes(source), bytes(models_dir / "gone.gguf"))
        (models_dir / file.name).write_bytes(text)
    done = bramble(models_dir, "tune", "Some-Model.F32-tuned", "--undo")
    assert done.returncode == 1
    assert "stays: what it was made from" in done.stderr
    assert len(left(models_dir)) == 2


def test_half_a_tuned_file_is_told_apart(models: Path, models_dir: Path) -> None:
    for file in models.glob("*-tuned.*"):
        (models_dir / file.name).write_bytes(file.read_bytes())
    with (models_dir / "Some-Model.F32-tuned.gguf").open("ab") as file:
        file.truncate(1000)
    with pytest.raises(NotFound, match="incomplete on disk"):
        resolve("Some-Model.F32-tuned", models_dir)


def test_a_limit_that_nothing_keeps(models_dir: Path, tmp_path: Path) -> None:
    done = bramble(models_dir, "tune", write_model(tmp_path / "a.gguf"), "--loss=1e-9")
    assert done.returncode == 0, done.stderr
    assert "No type stays within a loss of 1e-09" in done.stdout
    assert left(models_dir) == set()


def test_nothing_to_gain(models: Path, models_dir: Path) -> None:
    """The tuned file under another name, as if it had been published so."""
    file = models_dir / "published.gguf"
    file.write_bytes((models / "Some-Model.F32-tuned.gguf").read_bytes())
    done = bramble(models_dir, "tune", file)
    assert done.returncode == 1
    assert "published.gguf is as small and fast as tuning could make it" in done.stderr
    assert left(models_dir) == {"published.gguf"}


def test_a_damaged_source(source: Path, models_dir: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(source.read_bytes()[:1_000_000])
    done = bramble(models_dir, "tune", damaged)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-2].startswith(
        "bramble: damaged.gguf cannot be read as a model"
    )
    assert left(models_dir) == set()


def test_nothing_to_compare_with(source: Path, models_dir: Path) -> None:
    done = bramble(models_dir, "tune", source, "--beside=/no/such.gguf")
    assert done.returncode == 78
    assert done.stderr == "bramble: There is no file /no/such.gguf to compare with.\n"
    assert left(models_dir) == set()


def test_a_disk_that_takes_no_more(source: Path, models_dir: Path) -> None:
    """A file-size limit of 1 MB fails a write as a full disk does."""
    limited = ["bash", "-c", 'ulimit -f 1024; exec "$@"', "bash"]
    done = subprocess.run(
        [*limited, *command(models_dir, "tune", source)],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert done.returncode == 1
    assert "takes no more: the disk is full" in done.stderr
    assert left(models_dir) == set()


def start(models_dir: Path, source: Path) -> subprocess.Popen[str]:
    """Tuning that is in the middle of making a file."""
    process = subprocess.Popen(
        command(models_dir, "tune", source, ACCEPT),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + DEADLINE
    while not (models_dir / ".tune/converting").exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    return process


def test_a_kill_leaves_nothing_that_counts(source: Path, models_dir: Path) -> None:
    process = start(models_dir, source)
    children = psutil.Process(process.pid).children()
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive
    assert all(each.startswith(".tune/") for each in left(models_dir))
    with pytest.raises(NotFound):
        resolve("Some-Model.F32-tuned", models_dir)
    (models_dir / ".tune/leftover").mkdir()
    done = bramble(models_dir, "tune", source, "--loss=1e-9")
    assert done.returncode == 0, done.stderr
    assert left(models_dir) == set()


def test_ctrl_c_cleans_up(source: Path, models_dir: Path) -> None:
    process = start(models_dir, source)
    children = psutil.Process(process.pid).children()
    os.killpg(process.pid, signal.SIGINT)
    _, complaint = process.communicate(timeout=DEADLINE)
    assert process.returncode == 130
    assert "Traceback" not in complaint
    assert not psutil.wait_procs(children, timeout=10)[1]
    assert left(models_dir) == set()


def test_only_one_at_a_time(source: Path, models_dir: Path) -> None:
    process = start(models_dir, source)
    second = bramble(models_dir, "tune", source)
    assert second.returncode == 1
    assert "Another model is being tuned here." in second.stderr
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=DEADLINE)
