"""Small libraries in C that are loaded before the C library, to see or change what a process is told by the kernel."""

import shutil
import subprocess
from pathlib import Path

from tests.faults.fault import LeftOut

HERE = Path(__file__).parent


def build(name: str, folder: Path) -> Path:
    """The compiled library of NAME.c. Raises LeftOut where there is no compiler."""
    if shutil.which("gcc") is None:
        raise LeftOut("it needs gcc")
    library = folder / f"{name}.so"
    command = ["gcc", "-shared", "-fPIC", "-O2", "-o", str(library)]
    subprocess.run([*command, str(HERE / f"{name}.c"), "-ldl"], check=True)
    return library
