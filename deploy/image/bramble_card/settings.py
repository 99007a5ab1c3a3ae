"""`language` and `settings`: what becomes /etc/bramble/config.yaml. Whether a setting is right, Bramble itself says."""

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, cast

import yaml

from bramble_card.card import Card
from bramble_card.document import Group, Mistake, Tree, plain
from bramble_card.values import text

FILE = "etc/bramble/config.yaml"
CANDIDATE = "etc/bramble/candidate.yaml"
ORIGINAL = "usr/local/lib/bramble/config.yaml"
"""As the image brought it."""
LANGUAGES: Mapping[str, Mapping[str, Any]] = {
    "": {},
    "zh": {
        "chat": {
            "system_prompt": "你是一个乐于助人的 AI 助手，名叫 Bramble。请用简体中文清楚、简短地回答。"
        }
    },
}
HEAD = "# Made of `language` and `settings` in bramble.yaml on the boot partition, until somebody changes it here.\n"


def apply(card: Card, sections: Mapping[str, Tree]) -> None:
    """Write the settings, if Bramble could start with them. Raises Mistake."""
    if not sections.keys() & {"language", "settings"}:
        return
    language, settings = _language(sections.get("language")), _settings(sections.get("settings"))
    wanted = {"language": language, "settings": settings}
    if not card.is_new("settings", wanted) or (
        card.last("settings") is None and not language and not settings
    ):
        return
    line = next(sections[name].line for name in ("settings", "language") if name in sections)
    if card.read(FILE) != card.read(ORIGINAL) and _digest(card) != card.last("config"):
        raise Mistake(
            line, f"/{FILE} was changed on the Pi itself; change it there, or make it as it was"
        )
    original: dict[str, Any] = yaml.safe_load(card.read(ORIGINAL)) or {}
    merged = _merged(_merged(original, LANGUAGES[language]), settings)
    content = HEAD + yaml.safe_dump(merged, allow_unicode=True, sort_keys=False, width=120)
    _check(card, content, line)
    card.write(FILE, content)
    card.applied("config", _digest(card))
    card.applied("settings", wanted)


def _language(tree: Tree | None) -> str:
    language = text(tree, "language").lower().removeprefix("en")  # which is how it is
    if tree is not None and language not in LANGUAGES:
        raise Mistake(tree.line, f"language is en or zh, not {language}")
    return language


def _settings(tree: Tree | None) -> dict[str, Any]:
    found = plain(tree) if tree is not None else None
    if found is None:
        return {}
    if tree is not None and not isinstance(tree, Group):
        raise Mistake(tree.line, "settings has parts, as in config.example.yaml, each indented")
    return found


def _check(card: Card, content: str, line: int) -> None:
    """Raises Mistake with every mistake that Bramble finds."""
    card.write(CANDIDATE, content)
    try:
        card.run(line, "bramble", "check", "--config", str(card.root / CANDIDATE))
    except Mistake as mistake:
        found = re.sub(rf"bramble: (\S*{CANDIDATE}:\d+: )?", "", mistake.text)
        raise Mistake(line, f"the settings stay as they were: {found}") from None
    finally:
        card.remove(CANDIDATE)


def _digest(card: Card) -> str:
    return sha256(card.read(FILE).encode()).hexdigest()


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`above` counts more, name by name."""
    found = dict(below)
    for name, value in above.items():
        both = isinstance(found.get(name), dict) and isinstance(value, dict)
        found[name] = _merged(found[name], cast("dict[str, Any]", value)) if both else value
    return found
