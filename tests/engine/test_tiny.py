"""The tiny models are models: llama.cpp opens them, and the decoders answer in a real engine."""

from pathlib import Path

import pytest

from bramble.engine import wire
from tests.engine import tiny
from tests.engine.rig import Ask, Rig


@pytest.mark.parametrize("architecture", ["llama", "qwen2"])
def test_a_tiny_decoder_answers(tmp_path: Path, architecture: str) -> None:
    model = tiny.llama(tmp_path / "tiny.gguf", architecture=architecture)
    rig = Rig(model, context=256)
    try:
        answer = rig.answer(Ask("hello", tokens=8))
        assert 0 < answer.done.completion_tokens <= 8
        assert answer.done.prompt_tokens > 5
    finally:
        assert rig.close() == 0


def test_a_tiny_encoder_is_told_from_a_chat_model(tmp_path: Path) -> None:
    tiny.bert(tmp_path / "tiny.gguf")
    rig = Rig(tmp_path / "tiny.gguf", context=256)
    assert isinstance(rig.first, wire.Unusable)
    assert "is an embedding model" in rig.first.message
    assert rig.close() == 0
