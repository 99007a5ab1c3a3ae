"""Embeddings are read in the model's file: their memory is given back, and every number stays what it was."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import gguf
import pytest

from bramble.engine import lookup
from bramble.engine.llama import C, Model
from bramble.engine.lookup import keep_in_file, looked_up
from bramble.engine.survey import Check, Plan
from bramble.survey import run
from tests.engine.rig import Ask, Rig
from tests.engine.test_plan import order
from tests.tuning.tiny import Head, write_model

TOKENS = [1, 400, 20_000, 49_151]
"""Of the starter's vocabulary, its first and last rows among them."""
SPARE = 4_000_000
"""What else this process may take or give meanwhile, in bytes."""


def with_a_head(source: Path, target: Path) -> Path:
    """A copy of a model with a tied embedding, whose head is a tensor of its own."""
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if name != "general.architecture" and not name.startswith("GGUF."):
            element = field.types[-1] if field.types[0] is gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(name, field.contents(), field.types[0], sub_type=element)
    for each in reader.tensors:
        for name in ("output.weight", each.name) if "token_embd" in each.name else (each.name,):
            writer.add_tensor(name, each.data, raw_dtype=each.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target


def embedding(path: Path) -> tuple[int, int]:
    """Where its bytes start in the file, and how many they are."""
    found = next(each for each in gguf.GGUFReader(path).tensors if each.name == "token_embd.weight")
    return found.data_offset, found.n_bytes


def anonymous() -> int:
    """Bytes of this process's memory that no file stands for."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:"))


def mapped(pid: int | str, path: Path) -> bool:
    return str(path) in Path(f"/proc/{pid}/maps").read_text()


def logits(model: Model) -> list[float]:
    """What comes after `TOKENS`."""
    params = C.llama_context_default_params()
    params.n_ctx, params.n_threads, params.n_threads_batch = 64, 1, 1
    context = C.llama_init_from_model(model.pointer, params)
    batch = C.llama_batch_get_one((C.llama_token * len(TOKENS))(*TOKENS), len(TOKENS))
    assert C.llama_decode(context, batch) == 0
    found = C.llama_get_logits(context)[: model.vocab_size]
    C.llama_free(context)
    return found


Opened = Callable[[Path], Model]


@pytest.fixture
def opened() -> Iterator[Opened]:
    models: list[Model] = []

    def open(path: Path) -> Model:
        models.append(Model(path, mmap=False, progress=lambda _: None))
        return models[-1]

    yield open
    for model in models:
        model.close()


@pytest.fixture(scope="module")
def untied(starter: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_a_head(starter, tmp_path_factory.mktemp("lookup") / "untied.gguf")


def test_its_memory_is_given_back_and_the_numbers_stay(untied: Path, opened: Opened) -> None:
    model = opened(untied)
    size, before = looked_up(model), logits(model)
    assert size > 20_000_000
    held = anonymous()
    keep_in_file(model, untied)
    assert held - anonymous() == pytest.approx(size, abs=SPARE)
    assert mapped("self", untied)
    moved = untied.with_name("moved.gguf")
    untied.rename(moved)
    assert logits(model) == before
    moved.rename(untied)


def test_a_tied_one_without_a_copy_is_the_head_and_stays(
    starter: Path, tmp_path: Path, opened: Opened
) -> None:
    path = Path(shutil.copy(starter, tmp_path))
    model = opened(path)
    assert looked_up(model) == 0
    held = anonymous()
    keep_in_file(model, path)
    assert held - anonymous() < SPARE
    assert not mapped("self", path)


@pytest.mark.parametrize("at", [0, -1])
def test_of_a_file_that_became_another_nothing_is_read(
    untied: Path, tmp_path: Path, opened: Opened, at: int
) -> None:
    model, changed = opened(untied), tmp_path / "changed.gguf"
    before = logits(model)
    shutil.copy(untied, changed)
    with changed.open("r+b") as file:
        start, size = embedding(changed)
        file.seek(start + (size if at else 0) + at)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))
    keep_in_file(model, changed)
    assert not mapped("self", changed)
    assert logits(model) == before


def test_a_file_that_is_gone_changes_nothing(untied: Path, tmp_path: Path, opened: Opened) -> None:
    model = opened(untied)
    before = logits(model)
    keep_in_file(model, tmp_path / "gone.gguf")
    keep_in_file(model, Path(__file__))
    assert logits(model) == before


def test_a_library_that_does_not_tell_where_they_are(
    untied: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another build of it, whose functions have other names."""
    monkeypatch.setattr(lookup, "_tensor_map", None)
    model = opened(untied)
    assert looked_up(model) == 0
    before = logits(model)
    keep_in_file(model, untied)
    assert logits(model) == before


@pytest.mark.parametrize("head", [Head.NONE, Head.OTHER])
def test_an_engine_that_tiles_weights_anew_keeps_it_in_the_file(tmp_path: Path, head: Head) -> None:
    """A tied one has a copy there, the tiled head."""
    model = write_model(
        tmp_path / "tiny.gguf", width=256, head=head, body=gguf.GGMLQuantizationType.Q4_0
    )
    plan = run(Check(order(model)), spin=1000)
    assert isinstance(plan, Plan)
    rig = Rig(model)
    if not plan.repack:
        assert mapped(rig.process.pid, model), "all of it is"
        pytest.skip("THIS PROCESSOR RE-TILES NO WEIGHTS")
    assert plan.in_file == 264 * 256 * 18 // 32
    assert plan.weights == pytest.approx(model.stat().st_size, rel=0.1)
    assert mapped(rig.process.pid, model)
    assert rig.answer(Ask("Hello", tokens=4)).done.completion_tokens
    rig.close()
