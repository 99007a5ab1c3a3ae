"""Grammars for answers that must be calls of functions, in the form that the model's template asks for."""

import json
from collections.abc import Sequence

from bramble.engine import gbnf
from bramble.engine.extras import Schema, Tool
from bramble.engine.grammar import rules_for, written
from bramble.engine.schema import GrammarError
from bramble.engine.tools import NO_PARAMETERS, CallForm

SEVERAL = 4
"""Most calls that a model can be made to write at once; it is not made to write more than one."""


def for_calls(
    tools: Sequence[Tool], form: CallForm, *, several: bool, answer: Schema | None = None
) -> str:
    """Calls of these tools, or else an answer of a schema. Raises GrammarError for that schema only."""
    rules = dict(gbnf.COMMON)
    for number, tool in enumerate(tools):
        rules |= _call(number, tool, form)
    start = "(" + " | ".join(f"call-{number}" for number in range(len(tools))) + ")"
    if form.tagged:
        rules["tagged"] = rf'"<tool_call>\n" {start} "\n</tool_call>"'
        start = f'tagged ("\\n" tagged){{0,{SEVERAL - 1}}}' if several else "tagged"
    if answer is not None:
        text, more = rules_for(answer, prefix="a-")
        start, rules = f"{text} | {start}", rules | more
    return written(start, rules)


def _call(number: int, tool: Tool, form: CallForm) -> dict[str, str]:
    """Rules for a call; its arguments may be any object where the tool's schema cannot be used."""
    try:
        text = json.dumps(NO_PARAMETERS) if tool.parameters == "{}" else tool.parameters
        start, rules = rules_for(Schema(text), prefix=f"t{number}-", kind="object")
    except GrammarError:
        start, rules = "object", {}
    name = json.dumps(tool.name)
    head = gbnf.literal(f'{{"name": {name}, "{form.key}": ')
    return {**rules, f"call-{number}": f'{head} {start} "}}"'}
