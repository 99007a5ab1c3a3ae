"""`bramble check --model`: the plan as a person reads it, and its exit status."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bramble.check import size


def check(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bramble", "check", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, env=os.environ | {"COLUMNS": "200"}
    )


def test_a_plan_shows_every_part_and_what_was_chosen(starter: Path) -> None:
    done = check("--model", starter)
    assert done.returncode == 0, done.stderr
    told = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert told["model"].strip() == str(starter)
    for part in ("weights", "context", "compute", "process", "total", "free"):
        assert told[part][0].isdigit()
    assert told["chosen"].strip() == "4,096 tokens of context, 4 answers at once"
    assert told["why"].strip() == "everything fits as it is set"


def test_less_memory_means_less_context_and_says_so(starter: Path) -> None:
    done = check("--model", starter, "--memory", "200M")
    assert done.returncode == 0, done.stderr
    assert "instead of 4096" in done.stdout
    assert "210 MB as asked" in done.stdout


def test_what_does_not_fit_fails(starter: Path) -> None:
    done = check("--model", starter, "--memory", "0.1G")
    assert done.returncode == 1
    assert "nothing fits" in done.stdout
    complaint, advice = done.stderr.splitlines()
    assert complaint.startswith(f"bramble: {starter.name} does not fit. It needs ")
    assert "No model of the catalogue" in advice


@pytest.mark.parametrize("name", ["empty.gguf", "text.gguf"])
def test_what_is_no_model_is_one_sentence(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_text("" if name == "empty.gguf" else "words")
    done = check("--model", file)
    assert done.returncode == 1
    assert done.stderr.startswith(f"bramble: {name} is not a GGUF model file.\n")


@pytest.mark.parametrize(
    ("text", "amount"),
    [("512M", 512 << 20), ("1.5G", 3 << 29), ("1g", 1 << 30), ("2GiB", 2 << 30), ("1000", 1000)],
)
def test_sizes(text: str, amount: int) -> None:
    assert size(text) == amount


@pytest.mark.parametrize("text", ["", "M", "12x", "-1G", "0", "nan", "inf", "1e30G", "1 2M"])
def test_no_sizes(text: str) -> None:
    with pytest.raises(ValueError, match="no size; it takes one like 512M"):
        size(text)


def test_a_wrong_size_is_told_on_the_command_line() -> None:
    done = check("--memory", "much")
    assert done.returncode == 2
    assert "'much' is no size" in done.stderr
