"""Opens an embedding model and computes pooled vectors, one batch of texts at a time. It speaks to nobody."""

import ctypes
import math
import time
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

from bramble.engine.card import card_of
from bramble.engine.dryrun import repacks
from bramble.engine.llama import C, LoadError, Model
from bramble.engine.lookup import keep_in_file
from bramble.engine.threads import cores
from bramble.engine.wire import LoadEmbedding, Ready

SEQUENCES = 16
"""Most texts in one batch."""
BATCH_TOKENS = 512
"""Tokens that texts are packed to; a longer text makes a batch of its own."""
CAUSAL_ROWS = 64
"""Rows a step of a causal model: llama.cpp keeps logits for every row, 600 KB each with a vocabulary of 150,000."""
SPARE = 64 << 20
"""Bytes of memory that must be left beside the weights, for what is computed."""
POOLING = {1: "mean", 2: "cls", 3: "last"}
_MEAN, _LAST, _RANK = 1, 3, 4


class CannotEmbed(Exception):
    """Why this model cannot be used, and what might help."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def load(order: LoadEmbedding, progress: Callable[[float], None]) -> tuple["EmbeddingModel", Ready]:
    """Open `order.model`. Raises CannotEmbed; `progress` is called with 0..1."""
    began = time.monotonic()
    path = Path(order.model)
    try:
        _check_memory(path)
        model = Model(path, mmap=not repacks(path), progress=progress)
        keep_in_file(model, path)
        threads = min(order.threads, len(cores()))
        embedding = EmbeddingModel(model, context=order.context, threads=threads)
    except OSError as error:
        raise CannotEmbed(
            f"The embedding model {path} cannot be read: {error.strerror or error}.",
            "Check embedding.model and the file's permissions.",
        ) from error
    except LoadError as error:
        raise CannotEmbed(
            f"The embedding model {path.name} cannot be used: {error}.",
            "Set embedding.model to the GGUF file of an embedding model.",
        ) from error
    return embedding, Ready(
        name=order.name,
        description=model.description(),
        size=model.size,
        parameters=model.parameters,
        context=embedding.context,
        context_trained=model.context_trained,
        slots=SEQUENCES,
        threads=threads,
        load_seconds=round(time.monotonic() - began, 3),
        template="none",
        card=card_of(model, order.model, ""),
    )


def _check_memory(path: Path) -> None:
    size, available = path.stat().st_size, psutil.virtual_memory().available
    if size + SPARE > available:
        raise CannotEmbed(
            f"The embedding model needs {(size + SPARE) / 1e6:,.0f} MB of memory "
            f"and {available / 1e6:,.0f} MB are available.",
            "Choose a smaller embedding model or a smaller chat model.",
        )


class EmbeddingModel:
    """Weights, one context and one batch. `slowest_ms` is what the longest step took or may take."""

    def __init__(self, model: Model, *, context: int, threads: int) -> None:
        self._model = model
        self._vocab: Any = C.llama_model_get_vocab(model.pointer)
        self.context = min(context, model.context_trained)
        self.dimensions: int = C.llama_model_n_embd_out(model.pointer)
        pooling, remembers = self._probe(_stored_pooling(model))
        self.pooling = POOLING[pooling]
        # Only a causal model's last row can be computed in steps; others must see the whole text at once.
        steps = remembers and pooling == _LAST and _is_causal(model)
        self._rows = min(CAUSAL_ROWS, self.context) if steps else self.context
        self._pointer: Any = self._open(pooling, self.context, self._rows, threads)
        self._memory: Any = C.llama_get_memory(self._pointer)
        self._batch: Any = C.llama_batch_init(self._rows, 0, 1)
        self.slowest_ms = 0.0
        self._warm_up()

    def _probe(self, stored: int) -> tuple[int, bool]:
        """The pooling type to use, and whether the model has a memory, as decoders do and encoders do not.

        Where the file is silent: an encoder's rows each know the whole text (mean), a decoder's only the last.
        """
        pointer = self._open(stored, 64, 64, 1)
        remembers = bool(C.llama_get_memory(pointer))
        C.llama_free(pointer)
        return (stored if stored in POOLING else _LAST if remembers else _MEAN), remembers

    def _open(self, pooling: int, context: int, rows: int, threads: int) -> Any:
        params = C.llama_context_default_params()
        params.n_ctx = context
        params.n_batch = params.n_ubatch = rows
        params.n_seq_max = SEQUENCES
        params.n_threads = params.n_threads_batch = threads
        params.embeddings = True
        params.pooling_type = pooling
        params.kv_unified = True
        params.no_perf = True
        pointer = C.llama_init_from_model(self._model.pointer, params)
        if not pointer:
            raise LoadError("llama.cpp could not make a context for it")
        return pointer

    def _warm_up(self) -> None:
        """Touch every weight, and foresee what the longest step takes: the supervisor waits at least that long."""
        rows = min(32, self._rows)
        token = self.tokenize("a")[-1]
        began = time.monotonic()
        self.embed([[token] * rows])
        self.slowest_ms = (time.monotonic() - began) * 1000 * self._rows / rows

    def tokenize(self, text: str) -> list[int]:
        """Token ids with what the model wants around them, as in llama-server."""
        data = text.encode("utf-8", "replace")
        room = len(data) + 8
        while True:
            tokens = (ctypes.c_int32 * room)()
            count: int = C.llama_tokenize(self._vocab, data, len(data), tokens, room, True, True)
            if count >= 0:
                return tokens[:count]
            room = -count

    def is_token(self, token: int) -> bool:
        """Whether the vocabulary has this id."""
        return 0 <= token < self._model.vocab_size

    def pack(self, texts: Sequence[Sequence[int]]) -> int:
        """How many of these texts, from the first on, make the next batch: at least one."""
        total = 0
        for count, text in enumerate(texts[:SEQUENCES]):
            total += len(text)
            if count and total > min(BATCH_TOKENS, self.context):
                return count
        return min(len(texts), SEQUENCES)

    def embed(
        self, texts: Sequence[Sequence[int]], between: Callable[[], None] = lambda: None
    ) -> list[list[float]]:
        """One vector a text, not normalized. `between` is called between two steps of a long batch.

        Raises RuntimeError on anything llama.cpp reports: the context is not to be trusted after that.
        """
        if self._memory:
            C.llama_memory_clear(self._memory, False)
        vectors: dict[int, list[float]] = {}
        rows = [(n, at, token) for n, text in enumerate(texts) for at, token in enumerate(text)]
        for start in range(0, len(rows), self._rows):
            if start:
                between()
            step = rows[start : start + self._rows]
            began = time.monotonic()
            self._compute(step)
            for number in {number for number, _, _ in step}:
                vectors[number] = self._vector(number)  # of a text that goes on: replaced later
            self.slowest_ms = max(self.slowest_ms, (time.monotonic() - began) * 1000)
        return [vectors[number] for number in range(len(texts))]

    def _compute(self, rows: Sequence[tuple[int, int, int]]) -> None:
        batch = self._batch
        for row, (number, at, token) in enumerate(rows):
            batch.token[row], batch.pos[row] = token, at
            batch.n_seq_id[row], batch.seq_id[row][0] = 1, number
            batch.logits[row] = 1
        batch.n_tokens = len(rows)
        status: int = C.llama_decode(self._pointer, batch)
        if status:
            raise RuntimeError(f"llama_decode returned {status}")

    def _vector(self, number: int) -> list[float]:
        pointer = C.llama_get_embeddings_seq(self._pointer, number)
        return pointer[: self.dimensions]


def normalized(vector: list[float], dimensions: int = 0) -> bytes:
    """The first `dimensions` numbers (0: all), scaled to length 1, as little-endian float32.

    Raises ValueError where that is not possible.
    """
    kept = vector[: dimensions or len(vector)]
    length = math.hypot(*kept)
    if not math.isfinite(length) or length == 0:
        raise ValueError("the model gave a vector without a direction")
    return array("f", (each / length for each in kept)).tobytes()


def _is_causal(model: Model) -> bool:
    return model.meta(f"{model.meta('general.architecture')}.attention.causal") != "false"


def _stored_pooling(model: Model) -> int:
    """The pooling type in the file, -1 where there is none. Raises LoadError for one that gives no vector."""
    if C.llama_model_has_encoder(model.pointer) and C.llama_model_has_decoder(model.pointer):
        raise LoadError("it translates with an encoder and a decoder and gives no vector")
    stored = model.meta(f"{model.meta('general.architecture')}.pooling_type")
    if stored == str(_RANK):
        raise LoadError("it ranks texts (pooling type rank) and gives no vector")
    return int(stored) if stored and int(stored) in POOLING else -1
