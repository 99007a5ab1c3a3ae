"""`bramble check --model`: the plan as a person reads it, and its exit status."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bramble.check import size
from bramble.config import example


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


def before(tmp_path: Path, old: str) -> list[str]:
    """What is told of this older config.example.yaml by somebody who has set one thing."""
    file, own = tmp_path / "old.yaml", tmp_path / "config.yaml"
    file.write_text(old)
    own.write_text("queue:\n  waiting: 10\n")
    done = check("--config", own, "--set", f"state_dir={tmp_path}", "--before", file)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_what_another_version_means_is_told(tmp_path: Path) -> None:
    same = example()
    assert before(tmp_path, same) == ["All settings mean what they meant."]
    other = same.replace("  temperature: 0.4\n", "  temperature: 0.8\n  mood: good\n")
    other = other.replace("  waiting: 64\n", "  waiting: 32\n").replace("    answers: 600\n", "")
    assert before(tmp_path, other) == [
        "server.rates.answers is new: 600",
        "chat.temperature is 0.4 now, it was 0.8",
        "chat.mood is no more",
    ]


@pytest.mark.parametrize("text", ["a: [", "just words", "- a\n- b\n"])
def test_what_is_no_example_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "old.yaml").write_text(text)
    done = check("--set", f"state_dir={tmp_path}", "--before", tmp_path / "old.yaml")
    assert done.returncode == 78
    assert done.stderr.startswith("bramble: This is no config.example.yaml")
