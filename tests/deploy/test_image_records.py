"""What goes with an image, SBOM and Imager's list, and what build.sh refuses before it begins."""

import hashlib
import json
import lzma
import subprocess
import sys
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.appliance import REPO

BUILD = REPO / "deploy/image/build.sh"
EPOCH = 1_764_200_000
STATUS = """Package: libgomp1
Status: install ok installed
Architecture: arm64
Source: gcc-14
Version: 14.2.0-19

Package: tzdata
Status: deinstall ok config-files
Architecture: all
Version: 2025b-4

Package: base-files
Status: install ok installed
Architecture: arm64
Version: 13.8+deb13u8
"""
WANTED = (
    "name description icon url extract_size extract_sha256 image_download_size release_date devices"
)
"""What Imager's schema requires of a system, and its guide."""


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """What a build leaves: dpkg's records, a release of this very environment, a model, the image."""
    (tmp_path / "root/var/lib/dpkg/info").mkdir(parents=True)
    (tmp_path / "root/var/lib/dpkg/status").write_text(STATUS)
    release = tmp_path / "root/opt/bramble/releases/abc/lib"
    release.mkdir(parents=True)
    here = next(Path(sys.prefix).glob("lib/python3*"))
    (release / here.name).symlink_to(here)
    (tmp_path / "data/models").mkdir(parents=True)
    (tmp_path / "data/models/tiny.gguf").write_bytes(b"GGUF tiny")
    image = bytes(1 << 20) + b"the card"
    (tmp_path / "bramble-arm64.img").write_bytes(image)
    (tmp_path / "bramble-arm64.img.xz").write_bytes(lzma.compress(image))
    return tmp_path


def records(work: Path, *options: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The SBOM and the list that records.py writes."""
    image = work / "bramble-arm64.img"
    command = [sys.executable, REPO / "deploy/image/records.py", "--root", work / "root"]
    command += ["--data", work / "data", "--image", image, "--packed", f"{image}.xz"]
    command += ["--version", "1.2.3", "--epoch", str(EPOCH), *options]
    subprocess.run(command, check=True)
    sbom, listed = image.with_suffix(".cdx.json"), image.with_suffix(".rpi-imager-manifest")
    return json.loads(sbom.read_text()), json.loads(listed.read_text())


def test_the_sbom_names_all_that_is_on_the_card(work: Path) -> None:
    sbom, _ = records(work)
    found = {each["purl"]: each for each in sbom["components"] if "purl" in each}
    gomp = found["pkg:deb/debian/libgomp1@14.2.0-19?arch=arm64&distro=trixie"]
    assert gomp["properties"] == [{"name": "debian:source", "value": "gcc-14 14.2.0-19"}]
    assert "pkg:deb/debian/base-files@13.8%2Bdeb13u8?arch=arm64&distro=trixie" in found
    assert not [purl for purl in found if "debian/tzdata" in purl], "it was removed"
    assert found[f"pkg:pypi/aiohttp@{version('aiohttp')}"]["licenses"]
    assert found[f"pkg:pypi/bramble@{version('bramble')}"]["type"] == "application"
    (model,) = [each for each in sbom["components"] if each["type"] == "machine-learning-model"]
    assert model["name"] == "tiny.gguf"
    assert model["hashes"][0]["content"] == hashlib.sha256(b"GGUF tiny").hexdigest()


def test_the_sbom_has_the_form_of_cyclonedx(work: Path) -> None:
    sbom, _ = records(work)
    assert (sbom["bomFormat"], sbom["specVersion"], sbom["version"]) == ("CycloneDX", "1.6", 1)
    assert sbom["serialNumber"].startswith("urn:uuid:")
    assert sbom["metadata"]["timestamp"] == "2025-11-26T23:33:20Z"
    image = sbom["metadata"]["component"]
    data = (work / "bramble-arm64.img").read_bytes()
    assert image["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(data).hexdigest()}]
    names = [each["bom-ref"] for each in sbom["components"]]
    assert names == sorted(set(names)), "each once, and always in this order"
    assert all(each["type"] and each["name"] and each["version"] for each in sbom["components"])


def test_imager_finds_what_it_asks_for(work: Path) -> None:
    _, listed = records(work, "--url", "https://example.org/bramble/")
    (system,) = listed["os_list"]
    assert set(WANTED.split()) <= system.keys()
    image, packed = work / "bramble-arm64.img", work / "bramble-arm64.img.xz"
    assert system["url"] == "https://example.org/bramble/bramble-arm64.img.xz"
    assert system["extract_size"] == image.stat().st_size
    assert system["extract_sha256"] == hashlib.sha256(image.read_bytes()).hexdigest()
    assert system["image_download_size"] == packed.stat().st_size
    assert system["image_download_sha256"] == hashlib.sha256(packed.read_bytes()).hexdigest()
    assert date.fromisoformat(system["release_date"]) == date(2025, 11, 26)
    assert system["init_format"] == "none"
    assert system["icon"].startswith("data:image/png;base64,")
    assert {"pi5-64bit", "pi4-64bit", "pi3-64bit"} == set(system["devices"])


def test_without_an_address_imager_takes_the_file_from_here(work: Path) -> None:
    first = records(work)
    assert first[1]["os_list"][0]["url"] == (work / "bramble-arm64.img.xz").as_uri()
    assert first == records(work), "the same build writes the same"


@pytest.mark.parametrize(
    "options, status, words",
    [
        (["--model", "/nowhere.gguf"], 1, "no model at /nowhere.gguf"),
        (["--model", str(REPO / "README.md")], 1, "is no GGUF file"),
        (["--url", "ftp://x"], 1, "ftp://x is no address"),
        (["--wheels", "/nowhere"], 1, "/nowhere has nothing for Python 3.13"),
        (["--colour"], 2, "unknown option: --colour"),
    ],
)
def test_mistakes_are_told_before_anything_is_made(
    tmp_path: Path, options: list[str], status: int, words: str
) -> None:
    folder = tmp_path / "out"
    done = subprocess.run([BUILD, "--output", folder, *options], capture_output=True, text=True)
    assert done.returncode == status
    assert words in done.stderr
    assert not folder.exists()


def test_help_names_every_option() -> None:
    told = subprocess.run([BUILD, "--help"], capture_output=True, text=True, check=True).stdout
    for option in "--model", "--output", "--url", "--wheels", "--keep":
        assert option in told
