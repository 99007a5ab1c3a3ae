"""Which system prompts come again, and where in the tokens each of them ends. Of messages it keeps no word."""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field

from bramble.engine.extras import Tool
from bramble.engine.llama import Model
from bramble.engine.overlap import common_prefix
from bramble.engine.template import ChatTemplate, TemplateRefusal
from bramble.engine.wire import Generate, Turn

MOST = 16
"""System prompts remembered; the one not asked for longest goes."""
QUESTIONS = (Turn("user", "A"), Turn("user", "Когда 你好?"))
"""Two beginnings of a conversation that share no token: what their prompts have in common is the role's."""


@dataclass
class Role:
    """A system prompt with its tools. `opening` is a digest of the first question that it was asked."""

    system: tuple[Turn, ...]
    tools: tuple[Tool, ...]
    opening: bytes
    prompt: list[int] = field(default_factory=list[int])


class Roles:
    """System prompts that were asked for. One is due when a second conversation began with it, and then only once."""

    def __init__(self, model: Model, template: ChatTemplate) -> None:
        self._model, self._template = model, template
        self._known: OrderedDict[bytes, Role] = OrderedDict()
        self._due: list[Role] = []

    def __bool__(self) -> bool:
        return bool(self._due)

    def seen(self, request: Generate, prompt: list[int]) -> None:
        """Take a request and its prompt's tokens in."""
        role, opening = _parts(request)
        if role is None:
            return
        key = _digest(*(turn.content for turn in role.system), *map(str, role.tools))
        known = self._known.setdefault(key, role)
        self._known.move_to_end(key)
        if len(self._known) > MOST:
            self._known.popitem(last=False)
        if known.opening and known.opening != opening:
            known.opening, known.prompt = b"", prompt
            self._due.append(known)

    def next(self) -> tuple[str, list[int]]:
        """A role that is due: its text, and the tokens that all conversations with it begin with (maybe none)."""
        role = self._due.pop(0)
        tokens = self._beginning(role)
        role.prompt = []
        return "".join(turn.content for turn in role.system), tokens

    def forget(self, system: str) -> None:
        """It is deleted: it is not due any more."""
        self._due = [role for role in self._due if not _is(role, system)]

    def clear(self) -> None:
        """Nothing is due any more."""
        self._due.clear()

    def _beginning(self, role: Role) -> list[int]:
        prompts = ((*role.system, question) for question in QUESTIONS)
        try:
            one, other = (self._rendered(turns, role.tools) for turns in prompts)
        except TemplateRefusal:
            return []
        size = min(common_prefix(one, other), common_prefix(one, role.prompt))
        return one[:size]

    def _rendered(self, turns: tuple[Turn, ...], tools: tuple[Tool, ...]) -> list[int]:
        return self._model.tokenize(self._template.render(turns, tools))


def _parts(request: Generate) -> tuple[Role | None, bytes]:
    """The request's role, if it has one, and a digest of what it begins with behind that."""
    system = request.turns[:1] if request.turns and request.turns[0].role == "system" else ()
    if not (system or request.extras.tools) or not request.turns:
        return None, b""
    behind = request.turns[len(system) : len(system) + 1]
    opening = _digest(*(turn.content for turn in behind))
    return Role(system, request.extras.tools, opening), opening


def _is(role: Role, system: str) -> bool:
    return any(turn.content == system for turn in role.system)


def _digest(*texts: str) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for text in texts:
        digest.update(len(text).to_bytes(8))
        digest.update(text.encode("utf-8", "replace"))
    return digest.digest()
