"""Simon Willison's `llm` command: a prompt whole and streamed with usage, a schema, the models, an error."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.daemons import DEADLINE, Live

MODELS = """
- model_id: bramble
  model_name: starter
  api_base: {url}/v1
  supports_schema: true
  supports_tools: true
- model_id: gone
  model_name: starter
  api_base: {url}/nowhere
"""


@pytest.fixture
def home(live: Live, tmp_path: Path) -> Path:
    (tmp_path / "extra-openai-models.yaml").write_text(MODELS.format(url=live.until_ready()))
    return tmp_path


def llm(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LLM_USER_PATH": str(home), "OPENAI_API_KEY": "any"}
    command = [sys.executable, "-m", "llm", *arguments]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=3 * DEADLINE, check=False
    )


@pytest.mark.parametrize("how", ["--stream", "--no-stream"])
def test_a_prompt_with_its_usage(home: Path, how: str) -> None:
    flags = () if how == "--stream" else (how,)
    done = llm(home, "-m", "bramble", "Say hello.", "-o", "max_tokens", "12", "--usage", *flags)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert "input" in done.stderr
    assert "output" in done.stderr


def test_json_of_a_schema(home: Path) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    done = llm(home, "-m", "bramble", "--schema", json.dumps(schema), "A number?")
    assert done.returncode == 0, done.stderr
    assert isinstance(json.loads(done.stdout)["n"], int)


def test_an_error_is_told(home: Path) -> None:
    done = llm(home, "-m", "gone", "Say hello.")
    assert done.returncode == 1
    assert "Not Found" in done.stderr
