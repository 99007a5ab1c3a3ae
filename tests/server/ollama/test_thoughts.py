"""What a model thinks is told apart from what it says, wherever the pieces end."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bramble.engine.client import Phase
from bramble.engine.template import ChatTemplate
from bramble.engine.wire import Turn
from bramble.server.ollama.thoughts import Thoughts
from tests.conftest import Start

Json = dict[str, Any]
TEMPLATE = (
    "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    "{% if enable_thinking is defined and not enable_thinking %}<think></think>{% endif %}"
)


def split(answer: str, size: int) -> tuple[str, str]:
    thoughts = Thoughts()
    parts = [thoughts.feed(answer[n : n + size]) for n in range(0, len(answer), size)]
    parts.append(thoughts.finish())
    return "".join(thought for thought, _ in parts), "".join(said for _, said in parts)


@given(
    st.text(alphabet="<>/think \nab"),
    st.text(alphabet="<>/think \nab"),
    st.integers(1, 40),
)
def test_both_are_told_whole(thought: str, said: str, size: int) -> None:
    if "</think>" not in thought:
        told = split(f"<think>{thought}</think>\n\n{said}", size)
        assert told == (thought.lstrip(), said.lstrip())


@given(st.text(alphabet="<>/think \nab"), st.integers(1, 40))
def test_who_does_not_think_first_is_left_alone(said: str, size: int) -> None:
    if not said.lstrip().startswith("<think>"):
        assert split(said, size) == ("", said)


def test_thoughts_that_never_end_are_no_answer() -> None:
    assert split("<think>hm </thi", 3) == ("hm </thi", "")


def test_a_template_is_told_not_to_think() -> None:
    template = ChatTemplate(TEMPLATE, bos="", eos="")
    turns = (Turn("user", "Hi"),)
    assert template.render(turns) == template.render(turns, (), True) == "user: Hi\n"
    assert template.render(turns, (), False) == "user: Hi\n<think></think>"


async def test_a_client_reads_them_in_a_field_of_their_own(start: Start) -> None:
    async with start(engine=["--thinks"]) as daemon:
        await daemon.until(Phase.READY)
        words = "repeat 4 <think>Hm.</think>\n\nYes!"
        asked = {
            "model": "starter",
            "messages": [{"role": "user", "content": words}],
            "think": True,
        }
        async with daemon.http.post(f"{daemon.url}/api/chat", json=asked) as response:
            lines: list[Json] = [json.loads(line) async for line in response.content]
        assert "".join(line["message"].get("thinking", "") for line in lines) == "Hm."
        assert "".join(line["message"]["content"] for line in lines) == "Yes!"
        whole = {"model": "starter", "prompt": words, "stream": False}
        async with daemon.http.post(f"{daemon.url}/api/generate", json=whole) as response:
            told = await response.json()
        assert (told["thinking"], told["response"]) == ("Hm.", "Yes!")
        async with daemon.http.post(
            f"{daemon.url}/api/show", json={"model": "starter"}
        ) as response:
            assert "thinking" in (await response.json())["capabilities"]
