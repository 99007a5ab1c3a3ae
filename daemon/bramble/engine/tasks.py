"""What the short-lived engine processes that tune a model are ordered and answer: one JSON order, JSON lines back.

Like `wire`, read by both sides; nothing here computes.
"""

import msgspec


class Inspect(msgspec.Struct, tag=True, frozen=True):
    """Say what is in the file `model`, and how large it would be with each of these `quantizations`."""

    model: str
    quantizations: tuple[str, ...]


class Quantize(msgspec.Struct, tag=True, frozen=True):
    """Write `model` with a body, head and embedding of `quantization` to `target`.

    `drop` names a tensor to leave out (see `Inspected.drop`), empty: none. `scratch` is a file to use meanwhile.
    """

    model: str
    target: str
    scratch: str
    quantization: str
    drop: str


class Record(msgspec.Struct, tag=True, frozen=True):
    """Keep what `model` says after every piece of these text files in the file `logits`."""

    model: str
    texts: tuple[str, ...]
    logits: str


class Compare(msgspec.Struct, tag=True, frozen=True):
    """Say how far `model` is from what `Record` kept."""

    model: str
    texts: tuple[str, ...]
    logits: str


class Progress(msgspec.Struct, tag=True, frozen=True):
    """How much of the order is done, 0..1."""

    fraction: float


class Refused(msgspec.Struct, tag=True, frozen=True):
    """Why the order cannot be carried out, in a sentence, and what might help."""

    message: str
    hint: str = ""


class Inspected(msgspec.Struct, tag=True, frozen=True):
    """What is in a file.

    `bytes_by_type` and `sizes` (by the type asked for) are bytes of weights. `drop` is the tensor that is there twice
    (empty: none) and `dropped` its bytes; `vocabulary` is in tokens.
    """

    bytes_by_type: dict[str, int]
    sizes: dict[str, int]
    drop: str
    dropped: int
    vocabulary: int


class Quantized(msgspec.Struct, tag=True, frozen=True):
    """The file is written and can be opened; `dropped` says whether it holds the embedding once instead of twice."""

    dropped: bool


class Recorded(msgspec.Struct, tag=True, frozen=True):
    """Logits of this many positions are kept."""

    positions: int


class Compared(msgspec.Struct, tag=True, frozen=True):
    """`mean_kl` in nats a token against the source; `same_top`: share of positions with the same likeliest token."""

    mean_kl: float
    same_top: float


Order = Inspect | Quantize | Record | Compare
Outcome = Inspected | Quantized | Recorded | Compared | Refused
Said = Progress | Outcome

encode = msgspec.json.encode
parse_order = msgspec.json.Decoder(Order).decode
parse_said = msgspec.json.Decoder(Said).decode


TEXT_TOKENS = 640
"""At most so many tokens of each text are looked at: it bounds time, context and the file of logits."""


def row_bytes(vocabulary: int) -> int:
    """What `Record` keeps of a position: float16 logits, then the likeliest token as int32, before it was rounded."""
    return 2 * vocabulary + 4
