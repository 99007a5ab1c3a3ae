"""Packs to update from: real ones, of a tiny Bramble that can do nothing but `check`, signed by minisign."""

import hashlib
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

REPO = Path(__file__).parents[2]
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
CHECK = """import sys

def main():
    print({said!r}, file=sys.stderr)
    if sys.argv[1:] == ["check", "--before", "-"]:
        print("moods is new:", "moods" not in sys.stdin.read())
    return {status}
"""


class Keys:
    """A pair of keys of minisign."""

    def __init__(self, folder: Path) -> None:
        self.secret, self.public = folder / "update.key", folder / "update.pub"
        run("minisign", "-G", "-W", "-s", self.secret, "-p", self.public)


def run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def house(folder: Path, version: str, *, said: str = "", status: int = 0) -> Path:
    """A wheelhouse with this version, whose `bramble check` says this and ends so."""
    folder.mkdir(parents=True)
    wheel = folder / f"bramble-{version}-py3-none-any.whl"
    information = f"bramble-{version}.dist-info"
    files = {
        "tiny.py": CHECK.format(said=said, status=status),
        f"{information}/METADATA": f"Metadata-Version: 2.1\nName: bramble\nVersion: {version}\n",
        f"{information}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{information}/entry_points.txt": "[console_scripts]\nbramble = tiny:main\n",
    }
    record = "".join(f"{name},,\n" for name in (*files, f"{information}/RECORD"))
    with ZipFile(wheel, "w") as archive:
        for name, text in {**files, f"{information}/RECORD": record}.items():
            archive.writestr(name, text)
    (folder / "llama_cpp_python-0.3-py3-none-linux_x86_64.whl").touch()
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    lock = folder / f"requirements-{PYTHON}.lock"
    lock.write_text(f"bramble=={version} --hash=sha256:{digest}\n")
    return folder


def pack(house: Path, keys: Keys, output: Path) -> Path:
    """What deploy/wheels/pack.sh makes of it."""
    run(REPO / "deploy/wheels/pack.sh", "--key", keys.secret, "--output", output, house)
    (file,) = output.glob("*.tar")
    return file
