"""Random-weight models, written on the spot: a Llama of any size whose vocabulary is the 256 bytes."""

from enum import Enum
from pathlib import Path

import gguf
import numpy as np

LAYERS, HEADS = 2, 4

Matrix = np.ndarray[tuple[int, ...], np.dtype[np.float32]]


class Head(Enum):
    """What the file holds as `output.weight`."""

    NONE = "nothing: the embedding is the head"
    SAME = "the embedding, byte for byte"
    FINER = "the embedding, in Q8_0 where the embedding itself is Q4_0"
    OTHER = "another matrix"


def write_model(
    path: Path,
    *,
    width: int = 64,
    head: Head = Head.NONE,
    body: gguf.GGMLQuantizationType = gguf.GGMLQuantizationType.F32,
) -> Path:
    """Write a model with rows of `width` and a feed-forward of 4 × `width`."""
    numbers = np.random.default_rng(7)

    def matrix(rows: int, columns: int) -> Matrix:
        return numbers.normal(0, columns**-0.5, (rows, columns)).astype(np.float32)

    writer = gguf.GGUFWriter(path, "llama")
    _describe(writer, width)
    embedding = 4 * matrix(_vocabulary(writer), width)
    finer = head is Head.FINER
    _add(writer, "token_embd.weight", embedding, gguf.GGMLQuantizationType.Q4_0 if finer else body)
    if head is not Head.NONE:
        other = 4 * matrix(*embedding.shape) if head is Head.OTHER else embedding
        _add(writer, "output.weight", other, gguf.GGMLQuantizationType.Q8_0 if finer else body)
    writer.add_tensor("output_norm.weight", np.ones(width, np.float32))
    for layer in range(LAYERS):
        shapes = dict.fromkeys(("attn_q", "attn_k", "attn_v", "attn_output"), (width, width))
        shapes |= {"ffn_gate": (4 * width, width), "ffn_up": (4 * width, width)}
        for name, shape in (shapes | {"ffn_down": (width, 4 * width)}).items():
            _add(writer, f"blk.{layer}.{name}.weight", matrix(*shape), body)
        for name in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{layer}.{name}.weight", np.ones(width, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _describe(writer: gguf.GGUFWriter, width: int) -> None:
    writer.add_name("A tiny model")
    writer.add_context_length(2048)
    writer.add_embedding_length(width)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(4 * width)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(width // HEADS)


def _vocabulary(writer: gguf.GGUFWriter) -> int:
    """Special tokens and the bytes; returns how many tokens that is, a multiple of 8 as re-tiled weights need it."""
    spare = [f"<spare{number}>" for number in range(5)]
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *spare]
    types = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL]
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types([*types, *[gguf.TokenType.BYTE] * 256, *[gguf.TokenType.UNUSED] * 5])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    return len(tokens)


def _add(writer: gguf.GGUFWriter, name: str, data: Matrix, type: gguf.GGMLQuantizationType) -> None:
    packed = gguf.quantize(data, type)
    writer.add_tensor(name, packed, raw_dtype=type)


def tensor_types(path: Path) -> dict[str, str]:
    """The type of each tensor in a file, by name, as an independent reader finds it."""
    return {each.name: each.tensor_type.name for each in gguf.GGUFReader(path).tensors}


def keys(path: Path) -> dict[str, object]:
    """A file's metadata, as an independent reader finds it."""
    return {name: field.contents() for name, field in gguf.GGUFReader(path).fields.items()}
