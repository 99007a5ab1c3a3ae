"""config.example.yaml, rendered from the declarations: `python -m bramble.config > config.example.yaml`."""

from textwrap import fill, indent
from typing import Any, get_args

import yaml
from msgspec import Meta, Struct, to_builtins

from bramble.config.schema import SECTIONS, SETTINGS, Config
from bramble.config.values import wanted

_HEAD = """\
# Bramble's settings, each with its default. A file of your own holds only what you change:
# /etc/bramble/config.yaml is found by itself, any other is named with --config.
# `bramble check` says what is wrong with it and what would happen.
"""


def example() -> str:
    """The whole file; loading it gives the defaults."""
    defaults = Config()
    top = [_setting(name, defaults) for name in SETTINGS if "." not in name]
    groups = [_group(name, defaults) for name in SECTIONS if "." not in name]
    return "\n".join([_HEAD, *top, *groups])


def _group(section: str, outer: Struct) -> str:
    """A group's help, its settings, then the groups inside it."""
    values = getattr(outer, section.rpartition(".")[2])
    struct = SECTIONS[section]
    parts = [
        _group(name, values) if name in SECTIONS else _setting(name, values)
        for name in (f"{section}.{leaf}" for leaf in struct.__struct_fields__)
    ]
    leaf = section.rpartition(".")[2]
    return f"# {struct.__doc__}\n{leaf}:\n" + indent("\n".join(parts), "  ")


def _setting(name: str, values: Struct) -> str:
    """Help, then the default; one that depends on the machine is shown as a comment."""
    leaf = name.rpartition(".")[2]
    meta = _meta(SETTINGS[name])
    text = f"{meta.description} ({wanted(SETTINGS[name])})"
    help_ = fill(text, 96, initial_indent="# ", subsequent_indent="# ")
    if meta.examples:
        return f"{help_}\n# {leaf}: {meta.examples[0]}\n"
    return f"{help_}\n{_yaml(leaf, getattr(values, leaf))}"


def _meta(kind: Any) -> Meta:
    return get_args(kind)[1]


def _yaml(name: str, value: Any) -> str:
    plain = to_builtins(value, enc_hook=str)
    return yaml.safe_dump({name: plain}, allow_unicode=True, width=1000)
