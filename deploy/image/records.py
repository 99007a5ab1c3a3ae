"""What goes with an image: its SBOM, of dpkg's and pip's own records, and the list that Raspberry Pi Imager reads."""

import argparse
import base64
import hashlib
import json
import subprocess
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any
from urllib.parse import quote

REPO = Path(__file__).parents[2]
FIELDS = "${binary:Package}\t${Version}\t${Architecture}\t${source:Package}\t${source:Version}\t${db:Status-Status}\n"
DEVICES = ("pi5-64bit", "pi4-64bit", "pi3-64bit")
"""As Imager calls them; a Zero 2 W counts as a Pi 3."""


def digest(file: Path) -> str:
    """SHA-256 of a file."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def packages(root: Path) -> Iterator[dict[str, Any]]:
    """Debian's packages in `root`, from dpkg's records."""
    query = ["dpkg-query", f"--admindir={root}/var/lib/dpkg", "--show", f"--showformat={FIELDS}"]
    listed = subprocess.run(query, check=True, capture_output=True, text=True).stdout
    for line in listed.splitlines():
        name, version, arch, source, source_version, status = line.split("\t")
        if status != "installed":
            continue
        plain = name.partition(":")[0]
        purl = f"pkg:deb/debian/{quote(plain)}@{quote(version, safe='')}?arch={arch}&distro=trixie"
        yield {
            "type": "library",
            "bom-ref": purl,
            "name": plain,
            "version": version,
            "purl": purl,
            "properties": [{"name": "debian:source", "value": f"{source} {source_version}"}],
        }


def wheels(root: Path) -> Iterator[dict[str, Any]]:
    """Python's packages in Bramble's release, from pip's records."""
    folders = sorted(map(str, root.glob("opt/bramble/releases/*/lib/python3*/site-packages")))
    for each in sorted(distributions(path=folders), key=lambda each: each.name.lower()):
        name = each.name.lower().replace("_", "-")
        purl = f"pkg:pypi/{quote(name)}@{quote(each.version, safe='')}"
        found: dict[str, Any] = {
            "type": "application" if name == "bramble" else "library",
            "bom-ref": purl,
            "name": name,
            "version": each.version,
            "purl": purl,
        }
        licence = _licence(each)
        yield found | ({"licenses": [{"license": {"name": licence}}]} if licence else {})


def _licence(distribution: Distribution) -> str:
    told = distribution.metadata
    for field in "License-Expression", "License":
        text = str(told[field]).strip() if field in told else ""
        if text and "\n" not in text:
            return text
    return ""


def models(data: Path) -> Iterator[dict[str, Any]]:
    """The GGUF files that the card brings along."""
    for file in sorted(data.glob("models/*.gguf")):
        found = digest(file)
        yield {
            "type": "machine-learning-model",
            "bom-ref": f"model:{found}",
            "name": file.name,
            "version": "sha256:" + found[:16],
            "hashes": [{"alg": "SHA-256", "content": found}],
        }


def sbom(root: Path, data: Path, image: Path, version: str, made: datetime) -> dict[str, Any]:
    """A CycloneDX 1.6 document of all that is on the card."""
    components = sorted(
        [*packages(root), *wheels(root), *models(data)], key=lambda each: each["bom-ref"]
    )
    found = digest(image)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, found)}",
        "version": 1,
        "metadata": {
            "timestamp": made.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {
                "type": "operating-system",
                "bom-ref": "image",
                "name": image.name,
                "version": version,
                "hashes": [{"alg": "SHA-256", "content": found}],
            },
        },
        "components": components,
    }


def manifest(image: Path, packed: Path, url: str, version: str, made: datetime) -> dict[str, Any]:
    """Imager's list of one system; `url` is where the packed image will be, empty: where it is now."""
    icon = base64.b64encode((REPO / "web/icons/192.png").read_bytes()).decode()
    return {
        "os_list": [
            {
                "name": f"Bramble {version}",
                "description": "A private assistant for everyone on the home network",
                "icon": f"data:image/png;base64,{icon}",
                "url": f"{url.rstrip('/')}/{packed.name}" if url else packed.resolve().as_uri(),
                "extract_size": image.stat().st_size,
                "extract_sha256": digest(image),
                "image_download_size": packed.stat().st_size,
                "image_download_sha256": digest(packed),
                "release_date": made.strftime("%Y-%m-%d"),
                "devices": list(DEVICES),
                # Name, Wi-Fi and keys are in bramble.yaml on the card, not in Imager's own forms.
                "init_format": "none",
            }
        ]
    }


def main() -> None:
    """Write both beside the image."""
    parser = argparse.ArgumentParser(prog="records.py", description=__doc__)
    for name in "--root", "--data", "--image", "--packed":
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--url", default="")
    parser.add_argument("--version", required=True)
    parser.add_argument("--epoch", type=int, required=True)
    options = parser.parse_args()
    made = datetime.fromtimestamp(options.epoch, UTC)
    documents = {
        ".cdx.json": sbom(options.root, options.data, options.image, options.version, made),
        ".rpi-imager-manifest": manifest(
            options.image, options.packed, options.url, options.version, made
        ),
    }
    for ending, document in documents.items():
        text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
        options.image.with_suffix(ending).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
