"""The model's own chat template, rendered in a sandbox: a template is a program from the internet.

Bounded in time, output and memory; it sees the conversation and nothing else.
"""

import json
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NoReturn

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from bramble.engine.bounds import Overrun, bounded
from bramble.engine.extras import Tool
from bramble.engine.tools import CallForm, Json, form_of, native, plain, shown
from bramble.engine.wire import Turn

SOURCE_LIMIT = 256 * 1024
OUTPUT_LIMIT = 4 * 1024 * 1024
REPEAT_LIMIT = 64 * 1024
SECONDS = 2.0
MEMORY = 160 * 1024 * 1024

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""For models without a template of their own; llama-server falls back to the same."""


class TemplateRefusal(Exception):
    """A template that cannot render this conversation; the text says why."""


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox without the two operators that make numbers and strings explode."""

    intercepted_binops = frozenset({"**", "*"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "*" and (_small(left, right) or _small(right, left)):
            return left * right
        raise TemplateRefusal(f"the template uses '{operator}' in a way that is not allowed")


def _small(left: object, right: object) -> bool:
    """Whether `left * right` stays small: two numbers, or a short text repeated a few times."""
    if not isinstance(right, int | float) or abs(right) >= 2**63:
        return False
    if isinstance(left, str):
        return len(left) * right <= REPEAT_LIMIT
    return isinstance(left, int | float) and abs(left) < 2**63


def _raise(message: object) -> NoReturn:
    raise TemplateRefusal(str(message))


def _strftime_now(form: str) -> str:
    return datetime.now().strftime(form)


def _tojson(
    value: object,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """As Hugging Face defines it for chat templates: plain JSON, not escaped for HTML."""
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )


class ChatTemplate:
    """A compiled template. Raises TemplateRefusal where it cannot be compiled or renders nothing useful."""

    def __init__(self, source: str, *, bos: str, eos: str) -> None:
        if len(source) > SOURCE_LIMIT:
            raise TemplateRefusal(f"the chat template is longer than {SOURCE_LIMIT} characters")
        environment = _Sandbox(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        environment.filters["tojson"] = _tojson
        names: dict[str, Any] = {"raise_exception": _raise, "strftime_now": _strftime_now}
        environment.globals.update(names)
        with _bounded():
            self._template = environment.from_string(source)
        self._names = {
            "bos_token": bos,
            "eos_token": eos,
            "add_generation_prompt": True,
        }
        self._takes_system = self._probe()
        self._knows_tools = self._probe_tools()
        self.call_form = form_of(source) if self._knows_tools else CallForm()

    def render(
        self, turns: tuple[Turn, ...], tools: tuple[Tool, ...] = (), think: bool | None = None
    ) -> str:
        """The prompt for a conversation, ready for the assistant to go on.

        Tools go to a template that knows them, else into the system message.
        """
        if self._knows_tools and (tools or any(t.tool_calls or t.role == "tool" for t in turns)):
            try:
                return self._render(self._fitting(native(turns)), shown(tools) or None, think)
            except TemplateRefusal:  # it wants tools in an order of its own
                pass
        return self._render(self._fitting(plain(turns, tools)), None, think)

    def _fitting(self, messages: list[Json]) -> list[Json]:
        return messages if self._takes_system else _without_system(messages)

    def _render(
        self, messages: list[Json], tools: list[Json] | None = None, think: bool | None = None
    ) -> str:
        parts: list[str] = []
        size = 0
        names = {**self._names, "tools": tools} if tools else self._names
        if think is not None:
            names = {**names, "enable_thinking": think}  # as Qwen and those after it call it
        with _bounded():
            for part in self._template.generate(messages=messages, **names):
                size += len(part)
                if size > OUTPUT_LIMIT:
                    raise TemplateRefusal("the chat template renders too much text")
                parts.append(part)
        return "".join(parts)

    def _probe(self) -> bool:
        """Whether the template keeps a system message; also proves that it renders at all."""
        question = {"role": "user", "content": "USER-MARK"}
        if "USER-MARK" not in self._render([question]):
            raise TemplateRefusal("the chat template leaves out what the user says")
        try:
            system = {"role": "system", "content": "SYSTEM-MARK"}
            return "SYSTEM-MARK" in self._render([system, question])
        except TemplateRefusal:
            return False

    def _probe_tools(self) -> bool:
        """Whether the template shows the tools that it is given."""
        try:
            tools = shown([Tool("TOOL-MARK", "A tool.")])
            return "TOOL-MARK" in self._render([{"role": "user", "content": "Hi"}], tools)
        except TemplateRefusal:
            return False


def _without_system(messages: list[Json]) -> list[Json]:
    """For templates that know no system role (Gemma's): its text opens the first user message."""
    system = "\n\n".join(m["content"] for m in messages if m["role"] == "system")
    rest = [dict(message) for message in messages if message["role"] != "system"]
    first = next((message for message in rest if message["role"] == "user"), None)
    if system and first is not None:
        first["content"] = f"{system}\n\n{first['content']}"
    return rest


@contextmanager
def _bounded() -> Generator[None]:
    """Run a template's code within SECONDS and MEMORY; turn whatever it raises into TemplateRefusal."""
    try:
        with bounded(SECONDS, MEMORY):
            yield
    except Overrun as error:
        raise TemplateRefusal(f"the chat template {error}") from None
    except (
        TemplateError,
        ArithmeticError,
        LookupError,
        TypeError,
        ValueError,
        RecursionError,
        AttributeError,
        SyntaxError,
    ) as error:  # what template code can raise
        raise TemplateRefusal(f"the chat template failed: {error}") from error
