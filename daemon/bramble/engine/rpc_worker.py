"""A machine that computes for another: `python -m bramble.engine.rpc_worker ADDRESS:PORT THREADS`.

llama.cpp's own server; what comes through the connection is believed, so only a private network may reach it.
"""

import ctypes
import sys
import threading

from bramble.engine.llama import C
from bramble.engine.rpc import function, stay_alive
from bramble.engine.threads import CPU_DEVICE

LOOK = 2.0
"""Seconds between two looks for new connections."""


def main() -> int:
    """Serve one machine after the other until the process is ended; returns where the address cannot be had."""
    address, threads = sys.argv[1], int(sys.argv[2])
    threading.Thread(target=_care, daemon=True).start()
    C._lib.ggml_backend_dev_by_type.restype = ctypes.c_void_p
    devices = (ctypes.c_void_p * 1)(C._lib.ggml_backend_dev_by_type(CPU_DEVICE))
    serve = function(
        b"ggml_backend_rpc_start_server",
        None,
        ctypes.c_char_p,
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.c_size_t,
        ctypes.c_void_p,
    )
    serve(address.encode(), None, threads, 1, devices)
    return 1


def _care() -> None:
    """Who asked and lost its power would keep all others out."""
    while True:
        stay_alive()
        threading.Event().wait(LOOK)


if __name__ == "__main__":
    sys.exit(main())
