"""What people see while the board has to do without something, in their language."""

from pathlib import Path

from playwright.async_api import expect

from bramble.engine.client import Phase
from tests.board.boards import copy, put
from tests.conftest import Start
from tests.e2e.conftest import Visit

TEMPERATURE = "sys/class/thermal/thermal_zone0/temp"
SECONDS = 20_000
"""The watch looks once a second and takes the median of five looks; in milliseconds."""


async def test_a_hot_board_says_so_in_one_sentence(
    chats: Start, tmp_path: Path, visit: Visit
) -> None:
    root = copy("pi5", tmp_path)
    async with chats(root=root) as daemon:
        await daemon.until(Phase.READY)
        english = await (await visit(daemon.url, loses_link=True)).ready()
        chinese = await visit(daemon.url, loses_link=True, locale="zh-CN")
        guard = english.page.locator("#guard")
        await expect(guard).to_be_hidden()
        put(root, TEMPERATURE, "86000\n")
        await expect(guard).to_contain_text("The Pi is at 86 °C, answering with ", timeout=SECONDS)
        await expect(chinese.page.locator("#guard")).to_contain_text("树莓派温度为 86 °C")
        await expect(english.state).to_have_text("hot: slower")


async def test_a_model_at_rest_is_woken_by_a_question(chats: Start, visit: Visit) -> None:
    async with chats(["engine.idle_unload=0.5"]) as daemon:
        await daemon.until(Phase.RESTING)
        person = await visit(daemon.url, loses_link=True)
        await expect(person.state).to_have_text("asleep: your question wakes it")
        await person.say("Hello!")
        await person.answered()
        assert (await person.message())["text"]
