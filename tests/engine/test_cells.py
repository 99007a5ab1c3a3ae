"""Over how many cells of the cache a step attends, as llama.cpp is built for Bramble, and how the build sees to it."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from bramble.engine.llama import C
from tests.engine.scanned import watch
from tests.engine.tiny import llama

CHANGE = Path(__file__).parents[2] / "deploy/wheels/cells.cmake"
SOURCE = Path("vendor/llama.cpp/src/llama-kv-cache.cpp")
THEIRS = 'const uint32_t n_pad_cur = std::max(n_pad, 256u); // "a"; [b]\\n\n'


def cells(model: Path, steps: Sequence[int]) -> list[int]:
    """How many cells each of these steps (so many tokens a step, of one sequence) attends over."""
    seen: list[int] = []
    look = watch(seen)
    loaded = C.llama_model_load_from_file(str(model).encode(), C.llama_model_default_params())
    assert loaded
    params = C.llama_context_default_params()
    params.n_ctx, params.cb_eval = 512, look
    params.flash_attn_type = C.LLAMA_FLASH_ATTN_TYPE_DISABLED
    context = C.llama_init_from_model(loaded, params)
    assert context
    seen.clear()
    for size in steps:
        tokens = (C.llama_token * size)(*[5] * size)
        assert C.llama_decode(context, C.llama_batch_get_one(tokens, size)) == 0
    C.llama_free(context)
    C.llama_model_free(loaded)
    return seen


def test_a_step_attends_over_as_many_cells_as_are_used_and_a_few(tmp_path: Path) -> None:
    steps = (1, 31, 1, 32, 200, 64)
    assert cells(llama(tmp_path / "tiny.gguf"), steps) == [32, 32, 64, 96, 288, 352]


def changed(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    """What the build's configuration does to llama.cpp's source where it is this text."""
    (folder / SOURCE).parent.mkdir(parents=True, exist_ok=True)
    (folder / SOURCE).write_text(text)
    (folder / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.21)\nproject(llama_cpp NONE)\n"
    )
    return subprocess.run(
        [
            "cmake",
            "-S",
            folder,
            "-B",
            folder / "built",
            f"-DCMAKE_PROJECT_llama_cpp_INCLUDE={CHANGE}",
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.skipif(
    shutil.which("cmake") is None, reason="cmake is only needed where the wheel is built"
)
class TestBuild:
    def test_it_changes_the_number_and_nothing_else(self, tmp_path: Path) -> None:
        for text in (THEIRS, THEIRS.replace("256u", "32u")):
            assert changed(tmp_path, text).returncode == 0
            assert (tmp_path / SOURCE).read_text() == THEIRS.replace("256u", "32u")

    def test_a_source_that_says_otherwise_ends_the_build(self, tmp_path: Path) -> None:
        other = THEIRS.replace("256u", "get_n_pad()")
        done = changed(tmp_path, other)
        assert done.returncode == 1
        assert "look at deploy/wheels/cells.cmake again" in " ".join(done.stderr.split())
        assert (tmp_path / SOURCE).read_text() == other
