"""Makes a smaller file of a model with llama.cpp's own quantizer: body, head and embedding in one type.

Memory stays bounded: the source is mapped, rows are converted in slabs of SLAB bytes.
"""

import ctypes
import os
import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from bramble.engine.ggml import type_number
from bramble.engine.gguf import Header, NotGguf, Tensor, copy_without
from bramble.engine.llama import C
from bramble.engine.tasks import Inspect, Inspected, Quantize, Quantized
from bramble.engine.threads import cores
from bramble.engine.tied import EMBEDDING, HEAD, superfluous

SLAB = 64 << 20
"""Bytes of rows held at a time; unset it is 8 GiB."""

BLOCK = 32
"""Numbers in a block of the types below; a row must be whole blocks."""

FILE_TYPES = {"Q4_0": 2, "IQ4_NL": 25}
"""`LLAMA_FTYPE_MOSTLY_*` of llama.h: which mixture of types the body gets.

A quantization is one of these for body, head and embedding, or `BODY+HEAD`, like `IQ4_NL+Q4_1`.
"""

COPYING = 0.15
"""The share of the time that copying takes after converting."""

_ERROR = 4
_STEP = re.compile(r"\[ *(\d+)/ *(\d+)\]")
_SIZE = re.compile(r"quant size += +([\d.]+) MiB")


class CannotQuantize(Exception):
    """Why this file cannot be made smaller, and what might help."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def inspect(order: Inspect) -> Inspected:
    """What is in `order.model` and what each type would make of it; reads no weights but embedding and head.

    Raises CannotQuantize.
    """
    path = Path(order.model)
    header = _open(path)
    try:
        _check(header)
        drop = superfluous(header)
        dropped = drop.size if drop else 0
        sizes = {each: _predict(path, each, header, drop) - dropped for each in order.quantizations}
        return Inspected(
            bytes_by_type=_by_type(header),
            sizes=sizes,
            drop=drop.name if drop else "",
            dropped=dropped,
            vocabulary=header.array_length("tokenizer.ggml.tokens"),
        )
    except OSError as error:
        raise _damaged(path, str(error)) from error
    finally:
        header.close()


def quantize(order: Quantize, progress: Callable[[float], None]) -> Quantized:
    """Write `order.target`, on the disk when this returns. Raises CannotQuantize, OSError."""
    source, target, scratch = Path(order.model), Path(order.target), Path(order.scratch)
    header = _open(source)
    try:
        drop = header.find(order.drop) if order.drop else None
        _convert(source, scratch, _params(order.quantization, header, drop), progress)
    finally:
        header.close()
    if drop is None:
        _finish(scratch, target)
        return Quantized(dropped=False)
    # Whichever is kept of the two is the embedding from now on.
    rename = {HEAD: EMBEDDING} if drop.name == EMBEDDING else {}
    copy_without(scratch, target, drop.name, rename, lambda x: progress(1 - COPYING + COPYING * x))
    if not _opens(target):  # an architecture that insists on a head of its own
        target.unlink()
        return quantize(msgspec.structs.replace(order, drop=""), progress)
    scratch.unlink()
    return Quantized(dropped=True)


def _open(path: Path) -> Header:
    with _listening() as log:
        try:
            return Header(path)
        except NotGguf:
            raise _damaged(path, log.complaint) from None


def _check(header: Header) -> None:
    path, embedding = header.path, header.find(EMBEDDING)
    if header.parts() > 1:
        raise CannotQuantize(
            f"{path.name} is one of {header.parts()} parts of a model.",
            "Put them together first, with llama.cpp's `llama-gguf-split --merge`.",
        )
    if embedding is None or not header.array_length("tokenizer.ggml.tokens"):
        raise CannotQuantize(f"{path.name} is not a language model that could be made smaller.")
    if embedding.columns % BLOCK:
        raise CannotQuantize(
            f"{path.name} cannot be made smaller: its rows of {embedding.columns} numbers"
            f" are not whole blocks of {BLOCK}."
        )


def _by_type(header: Header) -> dict[str, int]:
    by_type: dict[str, int] = {}
    for tensor in header.tensors:
        by_type[tensor.type] = by_type.get(tensor.type, 0) + tensor.size
    return by_type


def _params(quantization: str, header: Header, drop: Tensor | None) -> Any:
    """What llama.cpp is told; a tensor that will be dropped is copied as it is, which costs no time."""
    params = C.llama_model_quantize_default_params()
    params.nthread = len(cores())
    body, _, head = quantization.partition("+")
    params.ftype = FILE_TYPES[body]
    params.allow_requantize = True
    params.max_buf_size = SLAB
    number = type_number((head or body).lower())
    params.output_tensor_type = params.token_embedding_type = number
    if drop is not None and drop.name == HEAD:
        params.quantize_output_tensor = False
    elif drop is not None:
        params.token_embedding_type = type_number(drop.type)
    return params


def _predict(path: Path, quantization: str, header: Header, drop: Tensor | None) -> int:
    """Bytes of weights that `quantization` would leave, from a dry run."""
    params = _params(quantization, header, drop)
    params.dry_run = True
    with _listening() as log:
        if C.llama_model_quantize(bytes(path), b"", params) != 0:
            raise _damaged(path, log.complaint)
    found = [match for line in log.lines if (match := _SIZE.search(line))]
    return int(float(found[-1][1]) * (1 << 20))


def _convert(path: Path, target: Path, params: Any, progress: Callable[[float], None]) -> None:
    def watch(line: str) -> None:
        if step := _STEP.match(line):
            progress((1 - COPYING) * (int(step[1]) - 1) / int(step[2]))

    with _listening(watch) as log:
        if C.llama_model_quantize(bytes(path), bytes(target), params) != 0:
            if "iostream" in log.complaint:  # all that C++ says of a file it cannot write
                raise CannotQuantize(
                    f"{target.parent} takes no more: the disk is full.", "Free some space there."
                )
            raise CannotQuantize(
                f"{path.name} cannot be made smaller: {log.complaint}.",
                "The file is damaged, or packed in a way that cannot be undone.",
            )


def _finish(scratch: Path, target: Path) -> None:
    """Under its name only once it is on the disk."""
    with scratch.open("rb") as file:
        os.fsync(file.fileno())
    scratch.replace(target)


def _opens(path: Path) -> bool:
    """Whether llama.cpp takes the file; reads no weights."""
    params = C.llama_model_default_params()
    params.no_alloc, params.load_mode = True, C.LLAMA_LOAD_MODE_NONE
    model = C.llama_model_load_from_file(bytes(path), params)
    if model:
        C.llama_model_free(model)
    return bool(model)


def _damaged(path: Path, why: str) -> CannotQuantize:
    return CannotQuantize(
        f"{path.name} cannot be read as a model: {why}.",
        "The file is damaged or not made for this version; fetch it again or choose another one.",
    )


class _Log:
    """What llama.cpp said: its lines, and the first of its complaints."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._errors: list[str] = []

    def add(self, level: int, line: str) -> None:
        self.lines.append(line)
        if level == _ERROR:
            self._errors.append(line)

    @property
    def complaint(self) -> str:
        """Without the function's name in front."""
        first = self._errors[0] if self._errors else "no reason given"
        for prefix in ("llama_model_quantize: ", "failed to quantize: "):
            first = first.removeprefix(prefix)
        return first.split(": ", 1)[-1] if first.startswith("gguf_init") else first


@contextmanager
def _listening(watch: Callable[[str], None] | None = None) -> Generator[_Log]:
    """Read llama.cpp's log for a while; before and after it goes where `llama` sends it."""
    log = _Log()

    @C.llama_log_callback
    def on_log(level: int, text: bytes, _user: object) -> None:
        line = text.decode("utf-8", "replace").rstrip()
        log.add(level, line)
        if watch is not None:
            watch(line)

    before, data = C.llama_log_callback(), ctypes.c_void_p()
    C.llama_log_get(ctypes.byref(before), ctypes.byref(data))
    C.llama_log_set(on_log, None)
    try:
        yield log
    finally:
        C.llama_log_set(before, data)
