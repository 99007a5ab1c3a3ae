"""Which of ggml's CPU libraries computes. A wheel for many boards brings one for each set of processor features.

ggml finds the best one by itself, but only once it is told where they are, and it has to be before any model is opened.
"""

import ctypes
import os
import re
from pathlib import Path

MAPS = Path("/proc/self/maps")
LIBRARY = re.compile(r"/libggml-cpu-(\S+?)\.so")


def load(library: ctypes.CDLL, folder: Path) -> None:
    """Let ggml choose among the libraries of `folder`; a build for one processor has none to choose from."""
    if any(folder.glob("libggml-cpu-*.so")):
        library.ggml_backend_load_all_from_path(ctypes.c_char_p(os.fsencode(folder)))


def variant(maps: str | None = None) -> str:
    """The chosen library's name in llama.cpp's words, like `armv8.2_2`; empty where there was no choice.

    It is what the process has mapped (`maps`, the text of /proc/self/maps), so it cannot be wrong.
    """
    found = LIBRARY.search(MAPS.read_text() if maps is None else maps)
    return found[1] if found else ""
