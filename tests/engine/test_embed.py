"""The embedding engine with tiny models: right vectors, in order, fair, and an end that is told and mended."""

import asyncio
import math
import os
import signal
from array import array
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest

from bramble.engine import embedder as rules
from bramble.engine.embedder import Embedder, Embeddings, Text, TextTooLong
from bramble.engine.process import EngineSpec
from bramble.engine.wire import LoadEmbedding
from bramble.errors import BadRequest, Busy, EngineLost, ModelUnavailable
from tests.engine import tiny

DEADLINE = 30.0
NOISE = 2e-3
"""What another batch shape changes: a decoder keeps keys and values as half floats."""
WORDS = ("hello world", "river", "a stone in the river, 你好", "99 stones!")


@asynccontextmanager
async def embedding(
    model: Path, *, idle: float = 0, context: int = 512
) -> AsyncGenerator[Embedder, None]:
    load = LoadEmbedding(str(model), context, 1, 5, "tiny")
    embedder = Embedder(lambda: EngineSpec(load, 1000), name="tiny", idle_unload=idle)
    try:
        yield embedder
    finally:
        await asyncio.wait_for(embedder.stop(), DEADLINE)
        assert embedder.pid is None


async def ask(embedder: Embedder, *texts: Text, dimensions: int = 0) -> Embeddings:
    return await asyncio.wait_for(embedder.embed(texts, dimensions=dimensions), DEADLINE)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not holds():
            await asyncio.sleep(0.01)


def numbers(vector: bytes) -> tiny.Array:
    return np.array(array("f", vector), dtype=np.float32)


def close(one: bytes, two: bytes | tiny.Array, tolerance: float = 1e-5) -> bool:
    other = numbers(two) if isinstance(two, bytes) else two
    return bool(np.abs(numbers(one) - other).max() < tolerance)


# ── the same by hand ─────────────────────────────────────────────────────────────────────────────


def norm(x: tiny.Array, weights: tiny.Weights, name: str) -> tiny.Array:
    centred = x - x.mean(-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def linear(x: tiny.Array, weights: tiny.Weights, name: str) -> tiny.Array:
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def attention(x: tiny.Array, weights: tiny.Weights, layer: str, heads: int) -> tiny.Array:
    count, width = x.shape
    q, k, v = (
        linear(x, weights, f"{layer}.attn_{each}").reshape(count, heads, -1).swapaxes(0, 1)
        for each in "qkv"
    )
    scores = q @ k.swapaxes(1, 2) / math.sqrt(width // heads)
    shares = np.exp(scores - scores.max(-1, keepdims=True))
    mixed = shares / shares.sum(-1, keepdims=True) @ v
    return linear(mixed.swapaxes(0, 1).reshape(count, width), weights, f"{layer}.attn_output")


def gelu(x: tiny.Array) -> tiny.Array:
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def bert(
    weights: tiny.Weights, tokens: list[int], *, heads: int = 4, layers: int = 2
) -> tiny.Array:
    """BERT's encoder (Devlin et al. 2018) in numpy: the last hidden state of every token."""
    x = weights["token_embd.weight"][tokens] + weights["token_types.weight"][0]
    x = norm(x + weights["position_embd.weight"][: len(tokens)], weights, "token_embd_norm")
    for layer in (f"blk.{number}" for number in range(layers)):
        x = norm(x + attention(x, weights, layer, heads), weights, f"{layer}.attn_output_norm")
        hidden = gelu(linear(x, weights, f"{layer}.ffn_up"))
        x = norm(
            x + linear(hidden, weights, f"{layer}.ffn_down"), weights, f"{layer}.layer_output_norm"
        )
    return x


def tokens_of(*pieces: str) -> list[int]:
    return [tiny.WPM.index(piece) for piece in ("[CLS]", *pieces, "[SEP]")]


@pytest.mark.parametrize(("pooling", "mean"), [(1, True), (2, False), (None, True)])
async def test_an_encoder_s_vectors_are_those_calculated_by_hand(
    tmp_path: Path, pooling: int | None, mean: bool
) -> None:
    weights = tiny.bert(tmp_path / "bert.gguf", pooling=pooling)
    tokens = tokens_of("▁hello", "▁r", "o", "c", "k", "▁好")
    states = bert(weights, tokens)
    expected = states.mean(0) if mean else states[0]
    async with embedding(tmp_path / "bert.gguf") as embedder:
        answer = await ask(embedder, "Hello rock 好", tuple(tokens))
    assert answer.tokens == 2 * len(tokens)
    for vector in answer.vectors:  # ggml looks gelu up in a table of half floats
        assert close(vector, expected / float(np.linalg.norm(expected)), 2e-3)


# ── what holds for every model ───────────────────────────────────────────────────────────────────


@pytest.fixture(params=["bert mean", "bert cls", "llama", "qwen2 last"])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    architecture, _, pooling = str(request.param).partition(" ")
    path = tmp_path / "tiny.gguf"
    if architecture == "bert":
        tiny.bert(path, pooling={"mean": 1, "cls": 2}[pooling])
        return path
    keys = {"pooling_type": 3} if pooling else {}
    return tiny.llama(path, architecture=architecture, keys=keys)


async def test_many_texts_give_what_each_gives_alone_in_the_same_order(model: Path) -> None:
    texts = tuple(f"{word} {n}" for n in range(12) for word in WORDS)
    async with embedding(model) as embedder:
        together = await ask(embedder, *texts)
        for text, vector in zip(texts, together.vectors, strict=True):
            alone = await ask(embedder, text)
            assert close(vector, alone.vectors[0], NOISE)
            assert abs(np.linalg.norm(numbers(vector)) - 1) < 1e-5
    assert len(set(together.vectors)) == len(texts)


async def test_fewer_dimensions_are_the_first_ones_scaled_again(model: Path) -> None:
    async with embedding(model) as embedder:
        whole = numbers((await ask(embedder, "river")).vectors[0])
        short = (await ask(embedder, "river", dimensions=8)).vectors[0]
        assert close(short, whole[:8] / float(np.linalg.norm(whole[:8])))
        with pytest.raises(BadRequest, match=f"10000, but the model's vectors have {len(whole)}"):
            await ask(embedder, "river", dimensions=10_000)


async def test_a_long_text_of_a_decoder_counts_to_its_last_word(tmp_path: Path) -> None:
    model = tiny.llama(tmp_path / "tiny.gguf")
    long = "the river and the stone, " * 8  # some steps long
    async with embedding(model) as embedder:
        one, two, again = (await ask(embedder, long + "a", long + "b", long + "a")).vectors
        other = (await ask(embedder, "x" + long + "a")).vectors[0]
    assert close(one, again, NOISE)
    assert not close(one, two, 10 * NOISE)
    assert not close(one, other, 10 * NOISE)


async def test_too_long_a_text_is_refused_with_both_numbers(tmp_path: Path) -> None:
    tiny.bert(tmp_path / "tiny.gguf", context=64)
    async with embedding(tmp_path / "tiny.gguf") as embedder:
        assert (await ask(embedder, "river " * 62)).tokens == 64
        with pytest.raises(TextTooLong, match=r"Text 2 .* has 65 tokens .* takes 64"):
            await ask(embedder, "river", "river " * 63)
        with pytest.raises(BadRequest, match="a token 4000 that the model does not know"):
            await ask(embedder, (2, 4000, 3))


async def test_a_model_that_cannot_embed_is_refused_in_words(tmp_path: Path) -> None:
    ranks = tiny.llama(tmp_path / "ranks.gguf", keys={"pooling_type": 4})
    (garbage := tmp_path / "garbage.gguf").write_bytes(b"no model")
    with (huge := tmp_path / "huge.gguf").open("wb") as file:
        file.truncate(1 << 40)
    for path, reason in (
        (ranks, "ranks texts"),
        (garbage, "cannot be used"),
        (huge, "needs 1,099,"),
        (tmp_path / "nowhere.gguf", "No such file"),
    ):
        async with embedding(path) as embedder:
            with pytest.raises(ModelUnavailable, match=reason):
                await ask(embedder, "river")


async def test_a_model_that_is_put_right_is_taken_by_the_next_request(tmp_path: Path) -> None:
    path = tmp_path / "tiny.gguf"
    async with embedding(path) as embedder:
        with pytest.raises(ModelUnavailable):
            await ask(embedder, "river")
        tiny.bert(path)
        assert len((await ask(embedder, "river")).vectors) == 1


# ── the process ──────────────────────────────────────────────────────────────────────────────────


async def test_kill_9_is_told_and_the_next_request_works(tmp_path: Path) -> None:
    tiny.bert(tmp_path / "tiny.gguf")
    async with embedding(tmp_path / "tiny.gguf") as embedder:
        before = await ask(embedder, "river")
        pid = embedder.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)  # so that the request is certainly under way
        waiting = asyncio.create_task(ask(embedder, *["stone"] * 100))
        await asyncio.sleep(0)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(EngineLost, match="ended unexpectedly"):
            await waiting
        after = await ask(embedder, "river")
        assert after == before
        assert embedder.pid != pid


async def test_idle_it_gives_its_process_back_and_returns_for_the_next(tmp_path: Path) -> None:
    tiny.bert(tmp_path / "tiny.gguf")
    async with embedding(tmp_path / "tiny.gguf", idle=0.2) as embedder:
        assert embedder.pid is None
        first = await ask(embedder, "river")
        pid = embedder.pid
        assert pid is not None
        await until(lambda: embedder.pid is None and not psutil.pid_exists(pid))
        assert await ask(embedder, "river") == first


async def test_it_is_nicer_than_chatting_and_first_to_go_without_memory(tmp_path: Path) -> None:
    tiny.bert(tmp_path / "tiny.gguf")
    async with embedding(tmp_path / "tiny.gguf") as embedder:
        await ask(embedder, "river")
        pid = embedder.pid
        assert pid is not None
        assert psutil.Process(pid).nice() == 5
        assert Path(f"/proc/{pid}/oom_score_adj").read_text().strip() == "1000"


async def test_a_short_request_passes_a_long_one_and_cancelled_ones_are_dropped(
    tmp_path: Path,
) -> None:
    tiny.bert(tmp_path / "tiny.gguf")
    many = tuple("the stone in the river " * 2 for _ in range(4000))
    async with embedding(tmp_path / "tiny.gguf") as embedder:
        await ask(embedder, "river")
        long = asyncio.create_task(ask(embedder, *many))
        gone = asyncio.create_task(ask(embedder, *many))
        await asyncio.sleep(0)
        await ask(embedder, "river")
        assert not long.done()
        gone.cancel()
        assert len((await long).vectors) == len(many)
        with pytest.raises(asyncio.CancelledError):
            await gone
        assert len((await ask(embedder, "river")).vectors) == 1


async def test_more_requests_than_may_wait_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.bert(tmp_path / "tiny.gguf")
    monkeypatch.setattr(rules, "REQUESTS", 2)
    async with embedding(tmp_path / "tiny.gguf") as embedder:
        waiting = [asyncio.create_task(embedder.embed(("river",))) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await ask(embedder, "river")
        assert len(await asyncio.gather(*waiting)) == 2
