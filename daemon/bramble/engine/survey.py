"""What a one-off engine process is asked and what it answers: one JSON order on its stdin, JSON lines on its stdout."""

import msgspec

from bramble.engine.wire import Load, Unusable


class Bench(msgspec.Struct, frozen=True, tag=True):
    """Measure how fast `load.model` is here; `load.threads` does not count. A `load.tuning` gets the best counts.

    `threads` are the counts to try, empty for the sensible ones; `prompt` and `generate` are lengths in tokens.
    """

    load: Load
    threads: tuple[int, ...] = ()
    prompt: int = 512
    generate: int = 128
    repetitions: int = 3


class Step(msgspec.Struct, frozen=True, tag=True):
    """What is being done now, and how far all of it is, 0 to 1."""

    what: str
    fraction: float


class Speed(msgspec.Struct, frozen=True):
    """The median of all repetitions with so many threads."""

    threads: int
    tokens_per_second: float


class Report(msgspec.Struct, frozen=True, tag=True):
    """What was measured. Sizes in bytes, times in seconds, lengths in tokens.

    `bytes_per_token` are the weights read for one token; `share_of_bandwidth` is how much of the memory's speed the
    fastest decoding uses that way, 0 to 1. `peak_memory_bytes` is the largest resident size of the process before the
    bandwidth was measured. `decode_threads` and `prefill_threads` are what was chosen and remembered, 0 where that was
    not asked for.
    """

    model: str
    file: str
    file_bytes: int
    description: str
    prompt_tokens: int
    generated_tokens: int
    repetitions: int
    decode: tuple[Speed, ...]
    prefill: tuple[Speed, ...]
    memory_bandwidth_bytes_per_second: float
    bytes_per_token: int
    share_of_bandwidth: float
    load_seconds: float
    peak_memory_bytes: int
    cores: int
    processor_features: str
    kernels: str = ""
    notes: tuple[str, ...] = ()
    decode_threads: int = 0
    prefill_threads: int = 0


class Check(msgspec.Struct, frozen=True, tag=True):
    """Say whether `load` would fit, and how it would be held; no weight is read."""

    load: Load


class Plan(msgspec.Struct, frozen=True, tag=True):
    """How a model would be held, or why not. Sizes in bytes.

    `batch` are the most rows of a step. `repack`: weights are re-tiled for this CPU (`repacked` bytes of `weights`),
    else mapped from the file; `windowed`: sliding layers keep only their window. `in_file` is what is beside `weights`
    and stays in the file, from which rows are read as they are needed. `process` is all that is neither weights nor the
    context's. `peak` is all of it, `room` what there is; of the peak `spared` are mapped weights that are hardly read,
    which the kernel takes back for nothing where memory is short. `reasons` say in sentences what was given up, or why
    nothing fits; `advice` which model would. `away` is what other machines hold, `short` says which of these has too
    little memory.
    """

    fits: bool
    context: int
    slots: int
    batch: int
    repack: bool
    weights: int
    in_file: int
    repacked: int
    kv: int
    compute: int
    process: int
    peak: int
    spared: int
    room: int
    reasons: tuple[str, ...] = ()
    advice: str = ""
    windowed: bool = False
    away: int = 0
    short: str = ""

    @property
    def needed(self) -> int:
        """Bytes that must be there."""
        return self.peak - self.spared


Order = Bench | Check
Answer = Step | Report | Plan | Unusable

_encoder = msgspec.json.Encoder()
_order: msgspec.json.Decoder[Order] = msgspec.json.Decoder(Order)
_answer: msgspec.json.Decoder[Answer] = msgspec.json.Decoder(Answer)


def line(message: Order | Answer) -> bytes:
    """Encode one message, with the newline that ends it."""
    return _encoder.encode(message) + b"\n"


def parse_order(text: bytes) -> Order:
    """Decode what the process was asked. Raises msgspec.DecodeError."""
    return _order.decode(text)


def parse_answer(text: bytes) -> Answer:
    """Decode one line of its answer. Raises msgspec.DecodeError."""
    return _answer.decode(text)
