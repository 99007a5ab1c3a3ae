"""Chat templates: right for models' own sources, bounded for hostile ones."""

import time

import pytest

from bramble.engine.template import CHATML, ChatTemplate, TemplateRefusal
from bramble.engine.wire import Turn

ASK = (Turn("system", "Be kind."), Turn("user", "Hi"))
NO_SYSTEM = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"
)


def make(source: str) -> ChatTemplate:
    return ChatTemplate(source, bos="<s>", eos="</s>")


def test_chatml() -> None:
    assert make(CHATML).render(ASK) == (
        "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    )


def test_system_text_opens_the_first_message_where_there_is_no_system_role() -> None:
    assert make(NO_SYSTEM).render(ASK) == "[user]Be kind.\n\nHi"


def test_a_template_may_refuse_a_conversation_in_its_own_words() -> None:
    source = "{% if messages|length > 1 %}{{ raise_exception('only one') }}{% endif %}{{ messages[0].content }}"
    with pytest.raises(TemplateRefusal, match="only one"):
        make(source).render((Turn("user", "a"), Turn("user", "b")))


def test_json_is_not_escaped_for_html() -> None:
    source = "{{ messages[0].content }}{{ {'a': '<中>'} | tojson }}"
    assert make(source).render((Turn("user", "x"),)) == 'x{"a": "<中>"}'


@pytest.mark.parametrize(
    "body",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ messages.append(1) }}{{ undefined_thing.attribute }}",
        "{% for a in range(99999999) %}x{% endfor %}",
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{{ 'x' * 999999999 }}",
        "{{ [1] * 999999999 }}",
        "{{ 2 ** 99999999 }}",
        "{{ 'x'.ljust(9999999999) }}",
        "{{ '%99999999999d' % 1 }}",
        "{% for a in range(90000) %}{{ 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' }}{% endfor %}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{{ 1 // 0 }}",
        "{% include '/etc/passwd' %}",
        "{% broken",
        "{{ (" + "(" * 5000,
    ],
)
def test_hostile_templates_are_refused_in_bounded_time(body: str) -> None:
    began = time.monotonic()
    with pytest.raises(TemplateRefusal):
        make("{{ messages[0].content }}" + body)
    assert time.monotonic() - began < 10


def test_a_template_that_leaves_out_the_question_is_refused() -> None:
    with pytest.raises(TemplateRefusal, match="leaves out"):
        make("Hello")
