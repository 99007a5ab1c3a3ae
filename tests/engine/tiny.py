"""Writes tiny models with random weights: every code path of a real architecture in a file of some hundred kilobytes.

Their words mean nothing, but the same seed gives the same weights, so what they compute can be calculated again.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import gguf
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Weights = dict[str, Array]
"""Tensors by their GGUF names, rows first: a matrix that maps n to m has the shape (m, n)."""

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,:;!?'-_<>|#*()"
CHINESE = "你好世界我们今天是一个人大小水火山"
_NORMAL, _UNKNOWN, _CONTROL, _BYTE = 1, 2, 3, 6


def write(
    path: Path,
    architecture: str,
    keys: Mapping[str, int | float | bool | str | Sequence[int]],
    weights: Weights,
    *,
    pieces: str = "spm",
) -> Path:
    """Write a GGUF of any architecture. `keys` without its name in front; `pieces` is the vocabulary: spm or wpm."""
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name(path.stem)
    for key, value in keys.items():
        _add(writer, key if key.startswith("tokenizer.") else f"{architecture}.{key}", value)
    _VOCABULARIES[pieces][1](writer)
    for name, tensor in weights.items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add(writer: gguf.GGUFWriter, key: str, value: object) -> None:
    if isinstance(value, bool):
        writer.add_bool(key, value)
    elif isinstance(value, int):
        writer.add_uint32(key, value)
    elif isinstance(value, float):
        writer.add_float32(key, value)
    elif isinstance(value, str):
        writer.add_string(key, value)
    else:
        writer.add_array(key, cast("Sequence[Any]", value))


class Random:
    """Weights from a seed, scaled so that activations neither die nor explode."""

    def __init__(self, seed: int) -> None:
        self._generator = np.random.default_rng(seed)

    def matrix(self, rows: int, columns: int) -> Array:
        values = self._generator.standard_normal((rows, columns)) / np.sqrt(columns) * 1.5
        return values.astype(np.float32)

    def vector(self, size: int, around: float = 0.0) -> Array:
        return (around + 0.1 * self._generator.standard_normal(size)).astype(np.float32)


def llama(
    path: Path,
    *,
    architecture: str = "llama",
    width: int = 64,
    layers: int = 2,
    heads: int = 4,
    kv_heads: int = 2,
    context: int = 512,
    seed: int = 1,
    keys: Mapping[str, int | float | bool | str] | None = None,
) -> Path:
    """A decoder of the llama kind (llama, qwen2). `keys` adds to its metadata, e.g. a pooling_type."""
    random, hidden, kv_width = Random(seed), 2 * width, width // heads * kv_heads
    weights: Weights = {
        "token_embd.weight": random.matrix(vocabulary_size("spm"), width),
        "output_norm.weight": random.vector(width, 1),
        "output.weight": random.matrix(vocabulary_size("spm"), width),
    }
    for layer in range(layers):
        parts: Weights = {
            "attn_norm.weight": random.vector(width, 1),
            "attn_q.weight": random.matrix(width, width),
            "attn_k.weight": random.matrix(kv_width, width),
            "attn_v.weight": random.matrix(kv_width, width),
            "attn_output.weight": random.matrix(width, width),
            "ffn_norm.weight": random.vector(width, 1),
            **_feed_forward(random, width, hidden),
        }
        if architecture == "qwen2":
            parts |= {f"attn_{each}.bias": random.vector(kv_width) for each in "kv"}
            parts["attn_q.bias"] = random.vector(width)
        weights |= {f"blk.{layer}.{name}": tensor for name, tensor in parts.items()}
    shape = _shape(width, layers, heads, context, hidden)
    shape |= {
        "attention.head_count_kv": kv_heads,
        "attention.layer_norm_rms_epsilon": 1e-5,
        "rope.freq_base": 10000.0,
    }
    return write(path, architecture, {**shape, **(keys or {})}, weights)


def gemma3(
    path: Path,
    *,
    window: int = 32,
    width: int = 64,
    layers: int = 4,
    heads: int = 4,
    kv_heads: int = 2,
    head: int = 16,
    context: int = 4096,
    seed: int = 1,
) -> Path:
    """A decoder of which every other layer sees only the last `window` tokens; `head` is the width of a head."""
    random, hidden = Random(seed), 2 * width
    weights: Weights = {
        "token_embd.weight": random.matrix(vocabulary_size("spm"), width),
        "output_norm.weight": random.vector(width, 1),
        "output.weight": random.matrix(vocabulary_size("spm"), width),
    }
    for layer in range(layers):
        parts: Weights = {
            "attn_q.weight": random.matrix(heads * head, width),
            "attn_k.weight": random.matrix(kv_heads * head, width),
            "attn_v.weight": random.matrix(kv_heads * head, width),
            "attn_output.weight": random.matrix(width, heads * head),
            "attn_q_norm.weight": random.vector(head, 1),
            "attn_k_norm.weight": random.vector(head, 1),
            **_feed_forward(random, width, hidden),
        }
        for norm in ("attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm"):
            parts[f"{norm}.weight"] = random.vector(width, 1)
        weights |= {f"blk.{layer}.{name}": tensor for name, tensor in parts.items()}
    keys = _shape(width, layers, heads, context, hidden) | {
        "attention.head_count_kv": kv_heads,
        "attention.key_length": head,
        "attention.value_length": head,
        "attention.sliding_window": window,
        "attention.sliding_window_pattern": 2,
        "attention.layer_norm_rms_epsilon": 1e-6,
        "rope.freq_base": 10000.0,
    }
    return write(path, "gemma3", keys, weights)


def mamba(
    path: Path, *, width: int = 64, layers: int = 3, context: int = 4096, seed: int = 1
) -> Path:
    """A recurrent model: one state for all tokens so far, from which none can be taken back."""
    random, inner, states, rank, kernel = Random(seed), 2 * width, 16, 4, 4
    weights: Weights = {
        "token_embd.weight": random.matrix(vocabulary_size("spm"), width),
        "output_norm.weight": random.vector(width, 1),
        "output.weight": random.matrix(vocabulary_size("spm"), width),
    }
    for layer in range(layers):
        parts: Weights = {
            "attn_norm.weight": random.vector(width, 1),
            "ssm_in.weight": random.matrix(2 * inner, width),
            "ssm_conv1d.weight": random.matrix(inner, kernel),
            "ssm_conv1d.bias": random.vector(inner),
            "ssm_x.weight": random.matrix(rank + 2 * states, inner),
            "ssm_dt.weight": random.matrix(inner, rank),
            "ssm_dt.bias": random.vector(inner, -3),  # small steps: the state remembers
            "ssm_a": -np.tile(np.arange(1, states + 1, dtype=np.float32), (inner, 1)),
            "ssm_d": random.vector(inner, 1),
            "ssm_out.weight": random.matrix(width, inner),
        }
        weights |= {f"blk.{layer}.{name}": tensor for name, tensor in parts.items()}
    keys = _shape(width, layers, 0, context, 0) | {
        "ssm.conv_kernel": kernel,
        "ssm.inner_size": inner,
        "ssm.state_size": states,
        "ssm.time_step_rank": rank,
        "attention.layer_norm_rms_epsilon": 1e-5,
    }
    return write(path, "mamba", keys, weights)


def lfm2(
    path: Path,
    *,
    width: int = 64,
    layers: int = 4,
    heads: int = 4,
    kv_heads: int = 2,
    context: int = 4096,
    seed: int = 1,
) -> Path:
    """A hybrid: layers with a state of their own (a short convolution) alternate with attention."""
    random, hidden, kernel = Random(seed), 2 * width, 3
    attends = [layer % 2 == 1 for layer in range(layers)]
    weights: Weights = {
        "token_embd.weight": random.matrix(vocabulary_size("spm"), width),
        "token_embd_norm.weight": random.vector(width, 1),
    }
    for layer, attention in enumerate(attends):
        parts: Weights = {
            "attn_norm.weight": random.vector(width, 1),
            "ffn_norm.weight": random.vector(width, 1),
            **_feed_forward(random, width, hidden),
        }
        if attention:
            parts |= {
                "attn_q.weight": random.matrix(width, width),
                "attn_k.weight": random.matrix(width // heads * kv_heads, width),
                "attn_v.weight": random.matrix(width // heads * kv_heads, width),
                "attn_output.weight": random.matrix(width, width),
                "attn_q_norm.weight": random.vector(width // heads, 1),
                "attn_k_norm.weight": random.vector(width // heads, 1),
            }
        else:
            parts |= {
                "shortconv.conv.weight": random.matrix(width, kernel),
                "shortconv.in_proj.weight": random.matrix(3 * width, width),
                "shortconv.out_proj.weight": random.matrix(width, width),
            }
        weights |= {f"blk.{layer}.{name}": tensor for name, tensor in parts.items()}
    keys = _shape(width, layers, heads, context, hidden) | {
        "attention.head_count_kv": [kv_heads if attention else 0 for attention in attends],
        "attention.layer_norm_rms_epsilon": 1e-5,
        "shortconv.l_cache": kernel,
        "rope.freq_base": 10000.0,
    }
    return write(path, "lfm2", keys, weights)


def _feed_forward(random: Random, width: int, hidden: int) -> Weights:
    return {
        "ffn_gate.weight": random.matrix(hidden, width),
        "ffn_up.weight": random.matrix(hidden, width),
        "ffn_down.weight": random.matrix(width, hidden),
    }


def bert(
    path: Path,
    *,
    width: int = 48,
    layers: int = 2,
    heads: int = 4,
    context: int = 64,
    pooling: int | None = 2,
    seed: int = 1,
) -> Weights:
    """An encoder of the BERT kind; `pooling` as llama.cpp numbers it (1 mean, 2 cls), None leaves it out.

    Returns its weights.
    """
    random, hidden = Random(seed), 2 * width
    weights: Weights = {
        "token_embd.weight": random.matrix(vocabulary_size("wpm"), width),
        "token_types.weight": random.matrix(2, width),
        "position_embd.weight": random.matrix(context, width),
        "token_embd_norm.weight": random.vector(width, 1),
        "token_embd_norm.bias": random.vector(width),
    }
    for layer in range(layers):
        for name, rows, columns in (
            ("attn_q", width, width),
            ("attn_k", width, width),
            ("attn_v", width, width),
            ("attn_output", width, width),
            ("ffn_up", hidden, width),
            ("ffn_down", width, hidden),
        ):
            weights[f"blk.{layer}.{name}.weight"] = random.matrix(rows, columns)
            weights[f"blk.{layer}.{name}.bias"] = random.vector(rows)
        for name in ("attn_output_norm", "layer_output_norm"):
            weights[f"blk.{layer}.{name}.weight"] = random.vector(width, 1)
            weights[f"blk.{layer}.{name}.bias"] = random.vector(width)
    keys: dict[str, int | float | bool | str | Sequence[int]] = {
        **_shape(width, layers, heads, context, hidden),
        "attention.layer_norm_epsilon": 1e-12,
        "attention.causal": False,
    }
    if pooling is not None:
        keys["pooling_type"] = pooling
    write(path, "bert", keys, weights, pieces="wpm")
    return weights


def _shape(
    width: int, layers: int, heads: int, context: int, hidden: int
) -> dict[str, int | float | bool | str | Sequence[int]]:
    return {
        "context_length": context,
        "embedding_length": width,
        "block_count": layers,
        "feed_forward_length": hidden,
        "attention.head_count": heads,
    }


# ── vocabularies ─────────────────────────────────────────────────────────────────────────────────

SPM = [
    "<unk>",
    "<s>",
    "</s>",
    *(f"<0x{byte:02X}>" for byte in range(256)),
    "▁",
    *LETTERS,
    *CHINESE,
]
WPM = [
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    *(f"▁{letter}" for letter in LETTERS + CHINESE),
    *LETTERS,
    *("▁hello", "▁world", "▁river", "▁stone", "ing", "er"),
]


def vocabulary_size(pieces: str) -> int:
    """How many tokens a vocabulary has."""
    return len(_VOCABULARIES[pieces][0])


def _add_spm(writer: gguf.GGUFWriter) -> None:
    kinds = [_UNKNOWN, _CONTROL, _CONTROL, *[_BYTE] * 256]
    writer.add_tokenizer_model("llama")
    writer.add_token_list(SPM)
    writer.add_token_scores([0.0] * len(SPM))
    writer.add_token_types(kinds + [_NORMAL] * (len(SPM) - len(kinds)))
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(True)


def _add_wpm(writer: gguf.GGUFWriter) -> None:
    writer.add_tokenizer_model("bert")
    writer.add_token_list(WPM)
    writer.add_token_types([_CONTROL] * 5 + [_NORMAL] * (len(WPM) - 5))
    writer.add_token_type_count(2)
    writer.add_pad_token_id(0)
    writer.add_unk_token_id(1)
    writer.add_bos_token_id(2)  # [CLS], in llama.cpp
    writer.add_sep_token_id(3)
    writer.add_mask_token_id(4)


_VOCABULARIES = {"spm": (SPM, _add_spm), "wpm": (WPM, _add_wpm)}
