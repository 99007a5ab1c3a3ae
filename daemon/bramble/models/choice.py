"""Which model answers: what somebody chose while Bramble ran, else what the settings say."""

from pathlib import Path

import msgspec

from bramble import durable
from bramble.config import Config
from bramble.errors import NotFound
from bramble.models.library import resolve

FILE = "model.json"
AUTO, NONE, STARTER = "auto", "none", "starter"


class Choice(msgspec.Struct, frozen=True):
    """`name` counts as long as engine.model still is `instead_of`: who edits the settings later means that."""

    name: str
    instead_of: str


def remember(config: Config, name: str) -> None:
    """Answer with this model also after the next start. Raises OSError."""
    choice = Choice(name, config.engine.model)
    durable.replace(config.state_dir / FILE, msgspec.json.encode(choice))


def remembered(config: Config) -> str:
    """What was chosen, where that still counts; else empty."""
    try:
        data = (config.state_dir / FILE).read_bytes()
        choice = msgspec.json.decode(data, type=Choice)
    except (OSError, msgspec.DecodeError):
        return ""
    return choice.name if choice.instead_of == config.engine.model else ""


def chosen(config: Config) -> str:
    """The name or path of the model to answer with now. One that was chosen and is gone does not count."""
    name = remembered(config)
    if name and is_here(name, config.models_dir):
        return name
    if config.engine.model != AUTO:
        return config.engine.model
    default = config.models.default
    return default if default != NONE and is_here(default, config.models_dir) else STARTER


def awaited(config: Config) -> str:
    """The model that is to be fetched and to take over by itself; empty where there is none."""
    default = config.models.default
    waits = config.engine.model == AUTO and default != NONE and chosen(config) == STARTER
    return default if waits and not remembered(config) else ""


def is_here(name: str, models_dir: Path) -> bool:
    """Whether its file is on the disk."""
    try:
        resolve(name, models_dir)
    except NotFound:
        return False
    return True
