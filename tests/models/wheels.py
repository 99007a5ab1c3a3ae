"""Tiny packages that pip accepts, made on the spot: a folder of them is a package index."""

import io
import tarfile
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

PACKAGE, VERSION, MEMBER = "fake-model", "1.0", "fake_model/fake.gguf"


def make_wheel(folder: Path, content: bytes, member: str = MEMBER) -> Path:
    """A wheel that holds `content` as `member`."""
    folder.mkdir(exist_ok=True)
    info = f"fake_model-{VERSION}.dist-info"
    wheel = folder / f"fake_model-{VERSION}-py3-none-any.whl"
    with ZipFile(wheel, "w", ZIP_DEFLATED) as archive:
        archive.writestr(member, content)
        archive.writestr(f"{info}/METADATA", _metadata())
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return wheel


def make_source_package(folder: Path, setup: str) -> Path:
    """A source package whose setup.py is `setup`: building it would run that."""
    folder.mkdir(exist_ok=True)
    root = f"fake_model-{VERSION}"
    package = folder / f"{root}.tar.gz"
    with tarfile.open(package, "w:gz") as archive:
        for name, text in (("setup.py", setup), ("PKG-INFO", _metadata())):
            entry = tarfile.TarInfo(f"{root}/{name}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return package


def _metadata() -> str:
    return f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: {VERSION}\n"
