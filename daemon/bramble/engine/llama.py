"""The only file that imports llama_cpp: a typed surface over the part of its C API that the engine uses.

Bytes become types here, so this is also the only file where `Any` is at home.
"""

import ctypes
import importlib
import importlib.util
import logging
import sys
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from bramble.engine import kernels

log = logging.getLogger("bramble.engine.llama")


def _bindings() -> Any:
    """Import llama_cpp's raw bindings without its package.

    `llama_cpp/__init__.py` pulls in numpy and 5,000 lines of chat formats: 23 MB that the engine never uses.
    """
    spec = importlib.util.find_spec("llama_cpp")
    if spec is None or spec.submodule_search_locations is None:
        raise ImportError("llama-cpp-python is not installed")
    package = ModuleType("llama_cpp")
    package.__path__ = list(spec.submodule_search_locations)
    sys.modules["llama_cpp"] = package
    return importlib.import_module("llama_cpp.llama_cpp")


C: Any = _bindings()

_LEVEL = {2: logging.DEBUG, 3: logging.WARNING, 4: logging.ERROR}
_ERROR, _CONTINUED = 4, 5
_complaints: deque[str] = deque(maxlen=8)


@C.llama_log_callback
def _on_log(level: int, text: bytes, _user: object) -> None:
    """Keep llama.cpp's errors, to say why a load failed."""
    line = text.decode("utf-8", "replace").rstrip()
    if level == _ERROR:
        _complaints.append(line)
    if level != _CONTINUED and line:
        expected = (
            "failed to find" in line or "failed to restore" in line
        )  # the cache is full; the worker makes room
        log.log(logging.DEBUG if expected else _LEVEL.get(level, logging.DEBUG), "%s", line)


C.llama_log_set(_on_log, None)
kernels.load(C._lib, Path(C.__file__).parent / "lib")
C.llama_backend_init()


SHORT = 1024
"""Bytes of a metadata value that is told; templates and licences are longer."""


class LoadError(Exception):
    """llama.cpp refused a model or a context; the text is its own last complaint."""


def _complaint(fallback: str) -> str:
    """The first thing llama.cpp complained about, without its function's name: later ones are only echoes."""
    first = _complaints[0] if _complaints else fallback
    return first.split(": ", 1)[-1].removeprefix("error loading model: ")


def system_info() -> str:
    """The CPU features the loaded kernels use, as llama.cpp prints them."""
    return C.llama_print_system_info().decode()


def _model_params(*, dry: bool, mmap: bool, repack: bool, progress: Any) -> Any:
    params = C.llama_model_default_params()
    params.no_alloc = dry
    params.load_mode = C.LLAMA_LOAD_MODE_MMAP if mmap else C.LLAMA_LOAD_MODE_NONE
    params.use_extra_bufts = repack
    params.progress_callback = progress
    return params


class Model:
    """Weights and vocabulary of one GGUF file. `progress` is called with 0..1 while it loads.

    With `repack` weights are re-tiled for this CPU where it knows how: a copy, which a mapped file would double.
    A `dry` one has no weights and can only tell about itself and make contexts that compute nothing.
    """

    def __init__(
        self,
        path: Path,
        *,
        mmap: bool,
        progress: Callable[[float], None],
        repack: bool = True,
        dry: bool = False,
    ) -> None:
        def report(fraction: float, _user: object) -> bool:
            progress(fraction)
            return True

        _complaints.clear()
        callback = C.llama_progress_callback(report)
        params = _model_params(dry=dry, mmap=mmap, repack=repack, progress=callback)
        self.pointer: Any = C.llama_model_load_from_file(bytes(path), params)
        if not self.pointer:
            raise LoadError(_complaint("llama.cpp could not load the file"))
        self._vocab: Any = C.llama_model_get_vocab(self.pointer)
        self.vocab_size: int = C.llama_vocab_n_tokens(self._vocab)
        self.size: int = C.llama_model_size(self.pointer)
        self.parameters: int = C.llama_model_n_params(self.pointer)
        self.width: int = C.llama_model_n_embd(self.pointer)
        self.context_trained: int = C.llama_model_n_ctx_train(self.pointer)
        self.window: int = C.llama_model_n_swa(self.pointer)
        """How many tokens layers with a sliding window look back; 0 where there are none."""
        self._add_bos: bool = C.llama_vocab_get_add_bos(self._vocab)
        self.bos = self._token_text(C.llama_vocab_bos(self._vocab))
        self.eos = self._token_text(C.llama_vocab_eos(self._vocab))
        self.end: int = max(C.llama_vocab_eot(self._vocab), C.llama_vocab_eos(self._vocab))
        self._pieces: dict[int, bytes] = {}

    def close(self) -> None:
        """Give its memory back; its contexts must be closed before."""
        C.llama_model_free(self.pointer)

    def _token_text(self, token: int) -> str:
        return C.llama_vocab_get_text(self._vocab, token).decode() if token >= 0 else ""

    def meta(self, key: str) -> str:
        """A scalar of the GGUF's metadata as text, empty where it is absent."""
        size = C.llama_model_meta_val_str(self.pointer, key.encode(), None, 0)
        if size < 0:
            return ""
        buffer = ctypes.create_string_buffer(size + 1)
        C.llama_model_meta_val_str(self.pointer, key.encode(), buffer, size + 1)
        return buffer.value.decode("utf-8", "replace")

    def metadata(self) -> dict[str, str]:
        """Every short scalar of the GGUF's metadata as text."""
        told: dict[str, str] = {}
        buffer = ctypes.create_string_buffer(SHORT)
        for index in range(C.llama_model_meta_count(self.pointer)):
            C.llama_model_meta_key_by_index(self.pointer, index, buffer, SHORT)
            key = buffer.value.decode("utf-8", "replace")
            size = C.llama_model_meta_val_str_by_index(self.pointer, index, buffer, SHORT)
            if 0 <= size < SHORT:
                told[key] = buffer.value.decode("utf-8", "replace")
        return told

    def description(self) -> str:
        """Architecture, size and quantization in llama.cpp's words, like `qwen2 0.5B Q4_0`."""
        buffer = ctypes.create_string_buffer(128)
        C.llama_model_desc(self.pointer, buffer, len(buffer))
        return buffer.value.decode("utf-8", "replace")

    def chat_template(self) -> str:
        """The Jinja source in the GGUF, empty where it has none."""
        source: bytes | None = C.llama_model_chat_template(self.pointer, None)
        return source.decode("utf-8", "replace") if source else ""

    def has_decoder(self) -> bool:
        """False for models that only embed: they cannot chat."""
        return bool(C.llama_model_has_decoder(self.pointer)) and not bool(
            C.llama_model_has_encoder(self.pointer)
        )

    def tokenize(self, text: str, *, goes_on: bool = False) -> list[int]:
        """Token ids of a rendered prompt; special tokens in it count, a BOS is added once where due.

        Neither is so for a text that `goes_on` after others.
        """
        add_bos = not goes_on and not (self.bos and text.startswith(self.bos))
        return self.tokens_of(text, special=add_bos, parse=not goes_on)

    def tokens_of(self, text: str, *, special: bool, parse: bool) -> list[int]:
        """Token ids of a text; `special` adds a BOS where due, `parse` reads special tokens in it."""
        data = text.encode("utf-8", "replace")
        add = special and self._add_bos
        room = len(data) + 8
        while True:
            tokens = (ctypes.c_int32 * room)()
            count: int = C.llama_tokenize(self._vocab, data, len(data), tokens, room, add, parse)
            if count >= 0:
                return tokens[:count]
            room = -count

    def piece(self, token: int) -> bytes:
        """The bytes a token stands for (maybe half a character), empty for control tokens."""
        known = self._pieces.get(token)
        if known is None:
            known = self._pieces[token] = self._read_piece(token)
        return known

    def piece_in_full(self, token: int) -> bytes:
        """The same, but control tokens have their names."""
        return self._read_piece(token, special=True)

    def _read_piece(self, token: int, *, special: bool = False) -> bytes:
        buffer = ctypes.create_string_buffer(64)
        size: int = C.llama_token_to_piece(self._vocab, token, buffer, len(buffer), 0, special)
        if size < 0:
            buffer = ctypes.create_string_buffer(-size)
            size = C.llama_token_to_piece(self._vocab, token, buffer, len(buffer), 0, special)
        return buffer.raw[:size]

    @property
    def vocab(self) -> Any:
        """The `llama_vocab *`, for samplers."""
        return self._vocab

    def ends(self, token: int) -> bool:
        """Whether a token says that the answer is over."""
        return C.llama_vocab_is_eog(self._vocab, token)


class Context:
    """The KV cache of one model for `slots` sequences that share `size` cells, and one raw batch of `batch` rows.

    Where layers see only the last `window` tokens (0: all layers see all), a `windowed` one keeps little more of them.
    """

    def __init__(
        self,
        model: Model,
        *,
        size: int,
        slots: int,
        batch: int,
        threads: int,
        guess_rows: int = 0,
        windowed: bool = False,
    ) -> None:
        params = C.llama_context_default_params()
        params.swa_full = not windowed
        params.n_ctx = size
        params.n_batch = params.n_ubatch = batch
        params.n_seq_max = slots
        # Every row that may ask for logits in one step; unset it is n_batch, which costs 300 MiB for a 0.5B model.
        params.n_outputs_max = slots + guess_rows
        params.n_threads = params.n_threads_batch = threads
        params.flash_attn_type = C.LLAMA_FLASH_ATTN_TYPE_ENABLED
        params.kv_unified = True
        params.no_perf = True
        _complaints.clear()
        self._pointer: Any = C.llama_init_from_model(model.pointer, params)
        if not self._pointer:
            raise LoadError(_complaint("llama.cpp could not make a context"))
        self._memory: Any = C.llama_get_memory(self._pointer)
        self.size: int = C.llama_n_ctx(self._pointer)
        self.window = model.window
        self.recurrent: bool = C.llama_model_is_recurrent(model.pointer)
        self.shifts: bool = C.llama_memory_can_shift(self._memory)
        self._shifting = False
        self._arrange(batch)

    def _arrange(self, rows: int) -> None:
        """One batch for the life of the context: each row belongs to one sequence, so only ids change."""
        self._batch: Any = C.llama_batch_init(rows, 0, 1)
        ints = ctypes.c_int32 * rows
        at = ctypes.addressof
        self._tokens = ints.from_address(at(self._batch.token.contents))
        self._positions = ints.from_address(at(self._batch.pos.contents))
        self._outputs = (ctypes.c_int8 * rows).from_address(at(self._batch.logits.contents))
        counts = ints.from_address(at(self._batch.n_seq_id.contents))
        counts[:] = [1] * rows
        self._sequences = ints()
        for row in range(rows):
            self._batch.seq_id[row] = ctypes.cast(
                at(self._sequences) + 4 * row, ctypes.POINTER(ctypes.c_int32)
            )
        self.rows = 0
        self.rows_max = rows

    @property
    def handle(self) -> ctypes.c_void_p:
        """The `llama_context *`, for what llama-cpp-python does not bind."""
        return ctypes.c_void_p(self._pointer)

    def close(self) -> None:
        """Give its memory back."""
        # The rows' sequences are in our own array: llama.cpp must not free them.
        self._batch.seq_id[0] = ctypes.POINTER(ctypes.c_int32)()
        C.llama_batch_free(self._batch)
        C.llama_free(self._pointer)

    def set_threads(self, decode: int, prefill: int) -> None:
        """Compute one row with `decode` threads from now on, more rows with `prefill`."""
        C.llama_set_n_threads(self._pointer, decode, prefill)

    def clear_rows(self) -> None:
        """Forget the rows added for the last step."""
        self.rows = 0

    def add_rows(self, sequence: int, tokens: Sequence[int], start: int, *, outputs: int) -> int:
        """Append tokens of one sequence from position `start`; the last `outputs` of them get logits.

        Returns the first row's number; rows are what a sampler wants.
        """
        count = len(tokens)
        first, end = self.rows, self.rows + count
        self._tokens[first:end] = tokens
        self._positions[first:end] = range(start, start + count)
        self._sequences[first:end] = [sequence] * count
        self._outputs[first:end] = [0] * (count - outputs) + [1] * outputs
        self.rows = end
        return first

    def decode(self) -> bool:
        """Compute the rows. False where the cache has no room for them (nothing has changed then).

        Raises RuntimeError on anything else llama.cpp reports: the context is not to be trusted after that.
        """
        self._batch.n_tokens = self.rows
        self._shifting = False  # llama_decode turns shifted keys before anything else
        status: int = C.llama_decode(self._pointer, self._batch)
        if status not in (0, 1):
            raise RuntimeError(f"llama_decode returned {status}: {_complaint('no reason given')}")
        return status == 0

    def forget(self, sequence: int, start: int = 0) -> bool:
        """Drop a sequence's cells from position `start` on; False where this model cannot drop a part."""
        return C.llama_memory_seq_rm(self._memory, sequence, start, -1)

    def share(self, source: int, target: int, end: int) -> None:
        """Let `target` use the first `end` cells of `source` too; nothing is computed or copied."""
        C.llama_memory_seq_cp(self._memory, source, target, 0, end)

    def covers(self, sequence: int, size: int) -> bool:
        """Whether all that the token behind the first `size` ones looks at is still there, in every layer."""
        oldest: int = C.llama_memory_seq_pos_min(self._memory, sequence) if self.window else 0
        return oldest <= max(0, size + 1 - self.window)

    def shift(self, sequence: int, start: int, end: int) -> None:
        """Drop the tokens from `start` to `end` and move those behind down; only where the model `shifts`."""
        C.llama_memory_seq_rm(self._memory, sequence, start, end)
        C.llama_memory_seq_add(self._memory, sequence, end, -1, start - end)
        self._shifting = True

    def state_size(self, sequence: int, *, part: bool = False) -> int:
        """Bytes of `state`; 0 while there is none to be had, between a shift and the next step."""
        if self._shifting:
            return 0
        return C.llama_state_seq_get_size_ext(self._pointer, sequence, int(part))

    def state(self, sequence: int, *, part: bool = False) -> bytearray:
        """What a sequence's cells hold, in llama.cpp's own format; as `part` only what cannot be cut.

        That is the state of recurrent layers and the cells of sliding windows.
        """
        data = bytearray(self.state_size(sequence, part=part))
        buffer = (ctypes.c_uint8 * len(data)).from_buffer(data)
        C.llama_state_seq_get_data_ext(self._pointer, buffer, len(data), sequence, int(part))
        return data

    def restore(self, sequence: int, data: bytearray, *, part: bool = False) -> bool:
        """Fill an empty sequence from `state`; False where the cache has no room (it stays empty then).

        A `part` takes the place of that part of a sequence; where it fails, nothing of it is to be trusted.
        """
        buffer = (ctypes.c_uint8 * len(data)).from_buffer(data)
        size = len(data)
        return size == C.llama_state_seq_set_data_ext(
            self._pointer, buffer, size, sequence, int(part)
        )

    def synchronize(self) -> None:
        """Wait until the last step is really computed."""
        C.llama_synchronize(self._pointer)

    def logits(self, row: int, size: int) -> "memoryview[float]":
        """A row's `size` logits (format f), valid until the next `decode`."""
        start = C.llama_get_logits_ith(self._pointer, row)
        floats = (ctypes.c_float * size).from_address(ctypes.addressof(start.contents))
        return memoryview(floats).cast("B").cast("f")

    def sample(self, sampler: Any, row: int) -> int:
        """Draw the next token from a row's logits with a sampler chain, and tell the chain so."""
        return C.llama_sampler_sample(sampler, self._pointer, row)
