"""What another version of Bramble means for the settings that somebody has."""

from collections.abc import Container, Iterator, Mapping
from typing import Any, cast

import yaml

from bramble.config.render import example
from bramble.config.schema import SETTINGS
from bramble.errors import ConfigError


def changes(before: str, written: Container[str]) -> Iterator[str]:
    """A line for each setting that is new, is no more, or has another default than in `before`, an older
    config.example.yaml. Defaults matter only where nothing else is `written`. Raises ConfigError."""
    try:
        old = flat(yaml.safe_load(before))
    except (yaml.YAMLError, AttributeError) as error:
        raise ConfigError(f"This is no config.example.yaml: {error}") from error
    new = flat(yaml.safe_load(example()))
    for name, value in new.items():
        if name not in old:
            yield f"{name} is new: {_shown(value)}"
        elif value != old[name] and name not in written:
            yield f"{name} is {_shown(value)} now, it was {_shown(old[name])}"
    for name in old:
        if name not in SETTINGS:
            yield f"{name} is no more"


def flat(groups: Mapping[str, Any] | None, prefix: str = "") -> dict[str, Any]:
    """Settings by dotted name, from what YAML makes of a file."""
    found: dict[str, Any] = {}
    for leaf, value in (groups or {}).items():
        name = prefix + leaf
        if name in SETTINGS or not isinstance(value, dict):
            found[name] = value
        else:
            found |= flat(cast("dict[str, Any]", value), f"{name}.")
    return found


def _shown(value: object) -> str:
    return yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=1000).split(
        "\n"
    )[0]
