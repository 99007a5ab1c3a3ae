"""Other machines that hold a part of the model: llama.cpp's RPC backend, on the side that asks.

Its protocol knows neither passwords nor encryption, and whoever speaks it is believed: it is for private networks only.
Described in ggml-rpc.cpp: a command is its number, the size of what follows and that, in little-endian.
"""

import ctypes
import os
import socket
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from bramble.engine.llama import C, Model
from bramble.engine.memory import budget, resident
from bramble.engine.wire import Load

HELLO, GET_DEVICE_MEMORY = 14, 11
MAJOR = 7
"""Numbers of `enum rpc_cmd`, and of the protocol: RPC_PROTO_MAJOR_VERSION of ggml-rpc.h."""
CAPABILITIES = bytes(24)
"""What a connection could do beside TCP: nothing."""
SHARE = 0.85
"""Part of a worker's memory that may be used: it says how much it has, not how much is free."""
WAIT, AGAIN, PATIENCE = 15.0, 0.5, 5.0
"""Seconds that workers may take to come back, between two tries, and for one word."""
ALIVE = (
    ("TCP_KEEPIDLE", 4),
    ("TCP_KEEPINTVL", 2),
    ("TCP_KEEPCNT", 3),
    ("TCP_USER_TIMEOUT", 10_000),
)
"""A machine without power is missed after ten seconds, by whoever waits for it."""
SHARED_TENSORS = rb"^(output|token_embd)"
"""What no layer holds stays here: else the logits of each token would cross the network."""

_lib: Any = C._lib


class WorkerAway(Exception):
    """One of the workers cannot be used: a sentence."""


@dataclass(frozen=True)
class Worker:
    """A machine that computes: what the settings call it, its address for llama.cpp, the bytes that it may hold."""

    name: str
    address: str
    room: int


@dataclass(frozen=True)
class Spread:
    """How a model's last layers are shared among workers: so many in a row for each."""

    workers: tuple[Worker, ...]
    layers: tuple[int, ...]
    total: int
    _held: tuple[Any, ...]

    def apply(self, params: Any) -> None:
        """Set what `llama_model_params` want for this."""
        devices, overrides, split = self._held
        params.devices = ctypes.addressof(devices)
        params.tensor_buft_overrides = ctypes.addressof(overrides)
        params.tensor_split = ctypes.cast(split, ctypes.POINTER(ctypes.c_float))
        params.n_gpu_layers = sum(self.layers) + 1  # llama.cpp counts the output as one

    def short(self, needed: Mapping[str, int]) -> str:
        """The sentence for a worker that cannot hold its part (bytes by address), empty where all can."""
        for worker in self.workers:
            if needed.get(worker.address, 0) > worker.room:
                part, room = needed[worker.address] // 1_000_000, worker.room // 1_000_000
                return f"{worker.name} would have to hold {part} MB of it and may hold {room} MB."
        return ""

    def note(self) -> str:
        """Who computes what, for people."""
        parts = ", ".join(
            f"{count} by {worker.name}"
            for worker, count in zip(self.workers, self.layers, strict=True)
        )
        return f"Of {self.total} layers {parts}; what crosses the network is not encrypted."


class _Override(ctypes.Structure):
    """`struct llama_model_tensor_buft_override`."""

    _fields_ = (("pattern", ctypes.c_char_p), ("buffer_type", ctypes.c_void_p))


def spread(order: Load) -> Spread | None:
    """Share the model's layers among `order.rpc` and this machine, by memory; None where there are no others.

    Raises WorkerAway, LoadError.
    """
    if not order.rpc:
        return None
    if _registry() is None:
        raise WorkerAway("This build of llama.cpp cannot compute on other machines.")
    layers = _layers(Path(order.model))
    workers = _reach(order.rpc)
    room = order.memory or budget() + resident()
    counts = layer_counts(layers, [room, *(worker.room for worker in workers)])[1:]
    devices = (ctypes.c_void_p * (len(workers) + 1))(*map(_device, workers), None)
    _lib.ggml_backend_cpu_buffer_type.restype = ctypes.c_void_p
    here = _Override(SHARED_TENSORS, _lib.ggml_backend_cpu_buffer_type())
    overrides = (_Override * 2)(here, _Override(None, None))
    split = (ctypes.c_float * C.llama_max_devices())(*counts[:-1], counts[-1] + 1)
    return Spread(tuple(workers), tuple(counts), layers, (devices, overrides, split))


def layer_counts(layers: int, rooms: Sequence[int]) -> list[int]:
    """So many layers for each, by memory; everybody but the first has one at least. Raises WorkerAway."""
    others = len(rooms) - 1
    if layers < others:
        raise WorkerAway(f"The model has {layers} layers, too few for {others} workers.")
    counts = [max(1, layers * room // sum(rooms)) for room in rooms[1:]]
    while sum(counts) > layers:
        counts[counts.index(max(counts))] -= 1
    return [layers - sum(counts), *counts]


def _layers(path: Path) -> int:
    model = Model(path, mmap=False, progress=lambda _: None, dry=True)
    try:
        return model.layers
    finally:
        model.close()


# ── reaching them ────────────────────────────────────────────────────────────────────────────────


def _reach(names: Sequence[str]) -> list[Worker]:
    """All of them; one that was lost just now has a while to come back."""
    until = time.monotonic() + WAIT
    while True:
        try:
            return [_greet(name) for name in names]
        except OSError as error:
            if time.monotonic() > until:
                raise WorkerAway(str(error)) from error
            time.sleep(AGAIN)


def _greet(name: str) -> Worker:
    """Say hello: llama.cpp would wait for ever, and ends the process where it does not like the answer.

    Raises OSError where it does not answer, WorkerAway where that is no worker for us.
    """
    host, _, port = name.rpartition(":")
    try:
        address = socket.gethostbyname(host)
        _check_private(name, address)
        with socket.create_connection((address, int(port)), PATIENCE) as wire:
            major, minor = struct.unpack_from("<BB", _command(wire, HELLO, CAPABILITIES))
            if (major, minor) != (MAJOR, 0):
                raise WorkerAway(
                    f"The worker {name} has another version of llama.cpp (protocol {major}.{minor}, not {MAJOR}.0)."
                )
            _, total = struct.unpack("<QQ", _command(wire, GET_DEVICE_MEMORY, bytes(4)))
    except struct.error as error:
        raise WorkerAway(f"What answers at {name} is no worker of Bramble's.") from error
    except OSError as error:
        why = error.strerror or "it says nothing"
        raise OSError(f"The worker {name} cannot be reached: {why}.") from error
    return Worker(name, f"{address}:{port}", int(total * SHARE))


def _check_private(name: str, address: str) -> None:
    if not ip_address(address).is_private:
        raise WorkerAway(
            f"The worker {name} is {address}, outside of this network; conversations would leave it unencrypted."
        )


def _command(wire: socket.socket, number: int, data: bytes) -> bytes:
    wire.sendall(struct.pack("<BQ", number, len(data)) + data)
    (size,) = struct.unpack("<Q", _exactly(wire, 8))
    if size > 64:
        raise struct.error("too long an answer")
    return _exactly(wire, size)


def _exactly(wire: socket.socket, size: int) -> bytes:
    data = wire.recv(size, socket.MSG_WAITALL)
    if len(data) < size:
        raise ConnectionError(0, "it hung up")
    return data


def _registry() -> int | None:
    _lib.ggml_backend_reg_by_name.argtypes = (ctypes.c_char_p,)
    _lib.ggml_backend_reg_by_name.restype = ctypes.c_void_p
    return _lib.ggml_backend_reg_by_name(b"RPC")


def function(name: bytes, result: Any, *arguments: Any) -> Any:
    """A function of the RPC backend, wherever its library is."""
    look_up = _lib.ggml_backend_reg_get_proc_address
    look_up.argtypes, look_up.restype = (ctypes.c_void_p, ctypes.c_char_p), ctypes.c_void_p
    return ctypes.CFUNCTYPE(result, *arguments)(look_up(_registry(), name))


def _device(worker: Worker) -> int:
    add = function(b"ggml_backend_rpc_add_server", ctypes.c_void_p, ctypes.c_char_p)
    get = _lib.ggml_backend_reg_dev_get
    get.argtypes, get.restype = (ctypes.c_void_p, ctypes.c_size_t), ctypes.c_void_p
    return get(add(worker.address.encode()), 0)


# ── connections that notice ──────────────────────────────────────────────────────────────────────


def stay_alive() -> None:
    """Have every connection of this process notice when the other machine is gone; llama.cpp's would wait for ever."""
    for connection in _connections():
        with connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in ALIVE:
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _connections() -> Iterator[socket.socket]:
    for entry in list(Path("/proc/self/fd").iterdir()):
        with suppress(OSError):
            if str(entry.readlink()).startswith("socket:"):
                found = socket.socket(fileno=os.dup(int(entry.name)))
                if found.family == socket.AF_INET and found.type == socket.SOCK_STREAM:
                    yield found
                else:
                    found.close()
