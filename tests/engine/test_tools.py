"""Tools in templates that know them and in those that do not, and grammars for calls."""

import json
from pathlib import Path

import pytest

from bramble.engine.calls import for_calls
from bramble.engine.extras import Extras, Schema, Tool, ToolCall
from bramble.engine.llama import Model
from bramble.engine.template import CHATML, ChatTemplate
from bramble.engine.tools import CallForm
from bramble.engine.wire import Turn
from tests.engine.rig import Ask, Rig
from tests.engine.test_grammar import lets_through
from tests.server.test_calls import NAMES, CallReader

LAMP = Tool(
    "lamp",
    "Turns the lamp on or off.",
    '{"type":"object","properties":{"on":{"type":"boolean"},"room":{"enum":["hall","kitchen"]}},"required":["on","room"]}',
)
PLAIN = Tool("weather", "Tells the weather.")
ASK = (Turn("system", "Be kind."), Turn("user", "Light!"))
CALLED = (
    *ASK,
    Turn("assistant", "", (ToolCall("c1", "lamp", '{"on": true}'),)),
    Turn("tool", "ok", (), "c1", "lamp"),
    Turn("tool", "20°", (), "c2", "weather"),
)
HERMES = (
    "{% if tools %}<tools>{% for tool in tools %}{{ tool | tojson }}\n{% endfor %}</tools><tool_call>{% endif %}"
    "{% for m in messages %}[{{ m.role }}]{{ m.content }}"
    "{% for c in m.tool_calls or [] %}<tool_call>{{ c.function.name }} {{ c.function.arguments | tojson }}{% endfor %}"
    "{% if m.role == 'tool' %}({{ m.tool_call_id }}){% endif %}{% endfor %}"
)
STRICT = HERMES + (
    "{% for m in messages %}{% if m.tool_calls and m.tool_calls | length %}"
    "{{ raise_exception('no calls') }}{% endif %}{% endfor %}"
)


@pytest.fixture(scope="module")
def model(starter: Path) -> Model:
    return Model(starter, mmap=True, progress=lambda _: None)


def make(source: str) -> ChatTemplate:
    return ChatTemplate(source, bos="<s>", eos="</s>")


def test_a_template_that_knows_tools_is_shown_them() -> None:
    text = make(HERMES).render(ASK, (LAMP, PLAIN))
    shown = text.split("</tools>")[0].removeprefix("<tools>").splitlines()
    first, second = (json.loads(line)["function"] for line in shown)
    assert first["name"] == "lamp"
    assert first["parameters"]["required"] == ["on", "room"]
    assert second["parameters"]["type"] == "object"
    assert make(HERMES).call_form == CallForm(tagged=True)
    assert "tools" not in make(HERMES).render(ASK)


def test_earlier_calls_and_results_reach_it() -> None:
    text = make(HERMES).render(CALLED, (LAMP,))
    assert '<tool_call>lamp {"on": true}' in text
    assert text.endswith("[tool]ok(c1)[tool]20°(c2)")


def test_a_template_that_refuses_calls_gets_them_as_words() -> None:
    text = make(STRICT).render(CALLED, (LAMP,))
    assert '{"name": "lamp", "arguments": {"on": true}}' in text


def test_one_that_knows_none_is_told_in_the_system_message() -> None:
    template = make(CHATML)
    text = template.render(CALLED, (LAMP, PLAIN))
    assert text.count("<|im_start|>system") == 1
    assert "Be kind.\n\nYou can call functions" in text
    assert '"enum": ["hall", "kitchen"]' in text
    assert '<|im_start|>assistant\n{"name": "lamp", "arguments": {"on": true}}<|im_end|>' in text
    assert "user\nResult of lamp: ok\nResult of weather: 20°<|im_end|>" in text
    assert template.call_form == CallForm()
    assert "You can call" in template.render((Turn("user", "Hi"),), (LAMP,))


def test_what_a_client_sends_cannot_break_a_template() -> None:
    broken = Tool("x", "", "[" * 100_000)
    turns = (*ASK, Turn("assistant", "", (ToolCall("", "", "{"),)), Turn("tool", "?"))
    for source in (CHATML, HERMES):
        assert make(source).render(turns, (broken,))


@pytest.mark.parametrize("form", [CallForm(), CallForm(tagged=True), CallForm(key="parameters")])
def test_a_grammar_for_calls(model: Model, form: CallForm) -> None:
    def written(name: str, arguments: object) -> str:
        body = f'{{"name": "{name}", "{form.key}": {json.dumps(arguments)}}}'
        return f"<tool_call>\n{body}\n</tool_call>" if form.tagged else body

    lamp = written("lamp", {"on": True, "room": "hall"})
    grammar = for_calls((LAMP, PLAIN), form, several=True)
    assert lets_through(model, grammar, lamp)
    assert lets_through(model, grammar, written("weather", {}))
    assert lets_through(model, grammar, f"{lamp}\n{lamp}") == form.tagged
    assert not lets_through(model, grammar, written("rm", {}))
    assert not lets_through(model, grammar, written("lamp", {"on": 1, "room": "hall"}))
    assert not lets_through(model, grammar, "Hello")
    one = for_calls((LAMP,), form, several=False)
    assert not lets_through(model, one, f"{lamp}\n{lamp}")
    either = for_calls((LAMP,), form, several=True, answer=Schema('{"const":"no"}'))
    assert lets_through(model, either, '"no"')
    assert lets_through(model, either, lamp)


def test_a_tool_with_a_bad_schema_may_get_any_object(model: Model) -> None:
    for schema in ("{", "7", '{"$ref":"http://x"}', '{"type":"string"}', '{"a":' * 5000):
        grammar = for_calls((Tool('a"\n', "", schema),), CallForm(), several=True)
        name = json.dumps('a"\n')
        assert lets_through(model, grammar, f'{{"name": {name}, "arguments": {{"x": [1]}}}}')


def test_a_model_is_made_to_call(own: Rig) -> None:
    extras = Extras(tools=(LAMP, PLAIN), forced=("lamp",))
    for seed in range(3):
        ask = Ask("Light in the hall!", tokens=120, temperature=1.0, seed=seed, extras=extras)
        answer = own.answer(ask)
        assert answer.done.reason == "stop"
        reader = CallReader(NAMES, several=True)
        (call,) = [*reader.feed(answer.text), *reader.finish()]
        assert not isinstance(call, str)
        assert call.name == "lamp"
        arguments = json.loads(call.arguments)
        assert arguments.keys() == {"on", "room"}
        assert arguments["room"] in ("hall", "kitchen")


def test_tools_that_do_not_fit_the_context_are_left_out(own: Rig) -> None:
    tools = tuple(Tool(f"tool{n}", "word " * 200) for n in range(20))
    answer = own.answer(Ask("Hi", tokens=3, extras=Extras(tools=tools)))
    assert 0 < answer.done.prompt_tokens < 200
