"""The page as a whole: its languages, its size, its words, its vendored libraries."""

import hashlib
import json
import re

import pytest
from playwright.async_api import expect

from bramble.board.words import SENTENCES
from bramble.server.pages import folder
from tests.daemons import Running
from tests.e2e.conftest import Visit

WEB = folder()
LARGEST = 120 * 1024
"""Bytes on the wire for all of it."""


async def test_chinese_where_the_browser_prefers_it(daemon: Running, visit: Visit) -> None:
    person = await visit(daemon.url, locale="zh-CN")
    await expect(person.state).to_have_text("就绪")
    assert await person.page.get_attribute("html", "lang") == "zh-CN"
    await expect(person.page.get_by_role("textbox", name="你的消息")).to_be_visible()
    await expect(person.page.get_by_role("button", name="新对话")).to_be_visible()
    await person.page.get_by_role("textbox").fill("say 3")
    await person.page.get_by_role("button", name="发送").click()
    await expect(person.answers.last).to_have_attribute("lang", "zh-CN")
    await expect(person.bubbles.last).to_have_attribute("lang", "en")


async def test_the_whole_page_is_small(daemon: Running, visit: Visit) -> None:
    person = await (await visit(daemon.url)).ready()
    script = """() => [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
        .map(({ name, transferSize }) => [name, transferSize])"""
    sizes = dict(await person.page.evaluate(script))
    assert sum(sizes.values()) <= LARGEST, sizes
    assert sum(sizes.values()) > LARGEST / 10, "nothing was measured"


@pytest.mark.parametrize("width", [320, 360, 390, 1280])
async def test_nothing_is_wider_than_the_screen(daemon: Running, visit: Visit, width: int) -> None:
    person = await (await visit(daemon.url, viewport={"width": width, "height": 640})).ready()
    script = """async (base) => {
        const { render } = await import(base + "markdown.js");
        const long = "x".repeat(300);
        const answer = document.querySelector("#messages").appendChild(document.createElement("li"));
        answer.className = "bramble text";
        document.querySelector("#name").textContent = long;
        render(answer, `${long}\\n\\n- ${long}\\n\\n\\`\\`\\`\\n${long}\\n\\`\\`\\`\\n\\n|a|b|\\n|-|-|\\n|${long}|c|`);
        const main = document.querySelector("main");
        return [document.documentElement.scrollWidth, document.body.offsetWidth, main.scrollWidth - main.clientWidth];
    }"""
    assert await person.page.evaluate(script, await person.base()) == [width, width, 0]


def test_no_file_writes_html_and_only_the_theme_knows_colours() -> None:
    for path in WEB.glob("*.js"):
        found = re.findall(
            r"(?:inner|outer)HTML\s*\+?=(?!=)|insertAdjacentHTML|document\.write", path.read_text()
        )
        assert not found, path.name
    for path in WEB.glob("*.css"):
        colours = re.findall(r"#[0-9a-f]{3,8}\b|\b(?:rgb|hsl|oklch)\(", path.read_text())
        assert not colours or path.name == "theme.css", path.name


def test_both_languages_say_the_same_things() -> None:
    english, chinese = (words(language) for language in ("en", "zh"))
    assert english.keys() == chinese.keys()
    for key in english:
        assert placeholders(english[key]) == placeholders(chinese[key]), key


def test_every_key_that_is_used_has_words_and_the_other_way_round() -> None:
    source = "\n".join(path.read_text() for path in [*WEB.glob("*.js"), WEB / "index.html"])
    for key in words("en"):
        named = f'"{key}"' in source
        built = re.fullmatch(r"(state|error|action|guard|machine)\.\w+", key)
        assert named or built, f"{key} is never said"
    codes = {key.removeprefix("guard.") for key in words("en") if key.startswith("guard.")}
    assert codes == set(SENTENCES)
    for key in re.findall(r'\bt\("([\w.]+)"', source) + re.findall(
        r'data-\w+="([\w]+\.[\w]+)"', source
    ):
        assert key in words("en"), f"{key} has no words"


def test_vendored_libraries_are_what_their_readme_says() -> None:
    readme = (WEB / "vendor" / "README.md").read_text()
    for path in (WEB / "vendor").glob("*.js"):
        assert hashlib.sha256(path.read_bytes()).hexdigest() in readme, path.name
        assert path.with_suffix(".LICENSE").is_file()


def words(language: str) -> dict[str, object]:
    """All words of one language by their keys."""
    return json.loads((WEB / "i18n" / f"{language}.json").read_text())


def placeholders(entry: object) -> set[str]:
    """The names that an entry is filled with."""
    return set(re.findall(r"\{(\w+)\}", json.dumps(entry)))
