"""The only file that imports llama_cpp: `C` is its C API, `Model` a typed surface over what the engine uses of models.

Bytes become types here and in `context`, so `Any` is at home in these two.
"""

import ctypes
import importlib
import importlib.util
import logging
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from bramble.engine import kernels
from bramble.engine.hugepages import in_huge_pages

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


def forget_complaints() -> None:
    """What is complained about from now on belongs to what is done next."""
    _complaints.clear()


def complaint(fallback: str) -> str:
    """The first thing llama.cpp complained about, without its function's name: later ones are only echoes."""
    first = _complaints[0] if _complaints else fallback
    return first.split(": ", 1)[-1].removeprefix("error loading model: ")


def system_info() -> str:
    """The CPU features the loaded kernels use, as llama.cpp prints them."""
    return C.llama_print_system_info().decode()


Adjust = Callable[[Any], None]
"""Sets what it wants in `llama_model_params`."""


def nothing_else(_params: Any) -> None:
    """All weights and layers are this machine's."""


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
        adjust: Adjust = nothing_else,
    ) -> None:
        told = progress if dry else in_huge_pages(progress)

        def report(fraction: float, _user: object) -> bool:
            told(fraction)
            return True

        forget_complaints()
        callback = C.llama_progress_callback(report)
        params = _model_params(dry=dry, mmap=mmap, repack=repack, progress=callback)
        adjust(params)
        self.pointer: Any = C.llama_model_load_from_file(bytes(path), params)
        if not self.pointer:
            raise LoadError(complaint("llama.cpp could not load the file"))
        self._vocab: Any = C.llama_model_get_vocab(self.pointer)
        self.vocab_size: int = C.llama_vocab_n_tokens(self._vocab)
        self.size: int = C.llama_model_size(self.pointer)
        self.parameters: int = C.llama_model_n_params(self.pointer)
        self.width: int = C.llama_model_n_embd(self.pointer)
        self.context_trained: int = C.llama_model_n_ctx_train(self.pointer)
        self.layers: int = C.llama_model_n_layer(self.pointer)
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
