"""The page as a whole: its languages, its size, its words, its vendored libraries."""

import hashlib
import json
import re
import struct

import pytest
from playwright.async_api import expect

from bramble.board.words import SENTENCES
from bramble.server.pages import folder
from tests.daemons import Live
from tests.e2e.conftest import Visit

WEB = folder()
SCRIPTS = [path for path in WEB.rglob("*.js") if path.parent.name != "vendor"]
BUILT = (
    "admin|model|swap|setting|level|role|welcome|refused|state|error|action|guard|machine|key|sheet|settings|"
    "language|light|about|known|store"
)
"""Keys that are put together begin so."""
LENGTH = re.compile(r"(?<![\w-])\d*\.?\d+(?:px|r?em|ch|d?v[hw]|m?s)\b")
COLOUR = re.compile(r"#[0-9a-f]{3,8}\b|\b(?:rgb|hsl|oklch|light-dark)\(")


async def test_chinese_where_the_browser_prefers_it(live: Live, visit: Visit) -> None:
    person = await visit(live.url, locale="zh-CN")
    await expect(person.state).to_have_text("就绪")
    assert await person.page.get_attribute("html", "lang") == "zh-CN"
    await expect(person.page.get_by_role("textbox", name="你的消息")).to_be_visible()
    await expect(person.page.get_by_role("button", name="新对话")).to_be_visible()
    await person.page.get_by_role("textbox").fill("法国的首都是哪里？请用中文回答。")
    await person.page.get_by_role("button", name="发送").click()
    await expect(person.answers.last).to_have_attribute("lang", "zh-CN")
    await expect(person.bubbles.last).to_have_attribute("lang", "zh-CN")


@pytest.mark.parametrize("width", [320, 360, 390, 1280])
async def test_nothing_is_wider_than_the_screen(live: Live, visit: Visit, width: int) -> None:
    person = await (await visit(live.url, viewport={"width": width, "height": 640})).ready()
    script = """async (base) => {
        const { render } = await import(base + "chat/markdown.js");
        const long = "x".repeat(300);
        const answer = document.querySelector("#messages").appendChild(document.createElement("li"));
        answer.className = "bramble text";
        document.querySelector("#name").textContent = long;
        render(answer, `${long}\\n\\n- ${long}\\n\\n\\`\\`\\`\\n${long}\\n\\`\\`\\`\\n\\n|a|b|\\n|-|-|\\n|${long}|c|`);
        const main = document.querySelector("main");
        return [document.documentElement.scrollWidth, document.body.offsetWidth, main.scrollWidth - main.clientWidth];
    }"""
    assert await person.page.evaluate(script, await person.base()) == [width, width, 0]


def test_no_file_writes_html() -> None:
    for path in SCRIPTS:
        found = re.findall(
            r"(?:inner|outer)HTML\s*\+?=(?!=)|insertAdjacentHTML|document\.write", path.read_text()
        )
        assert not found, path.name


def test_colours_and_sizes_are_the_themes() -> None:
    for path in (WEB / "style").glob("*.css"):
        text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
        found = COLOUR.findall(text) + LENGTH.findall(text)
        if path.name == "theme.css":
            text = re.sub(r"--[\w-]+:[^;]*;|@media \([^)]*\)", "", text)
            found = COLOUR.findall(text) + LENGTH.findall(text)
        allowed = {"100dvh"}  # all of the screen
        assert set(found) <= allowed, (
            f"{path.name} has {set(found) - allowed} outside the properties"
        )
    for path in SCRIPTS:
        assert not re.findall(r"""["'`]#[0-9a-f]{3,8}["'`]|["'`]\d+px""", path.read_text()), (
            path.name
        )


def test_words_are_only_in_the_languages_files() -> None:
    for path in SCRIPTS:
        code = re.sub(r"/\*.*?\*/|(?<![:\w\"'`/])//[^\n]*", "", path.read_text(), flags=re.DOTALL)
        sentences = re.findall(r"""["'`][A-Z][a-z]+ [a-z]+[^"'`]*["'`]""", code)
        assert not sentences, f"{path.name} says {sentences}"
        assert not re.search(r"[\u4e00-\u9fff]", code), f"{path.name} speaks Chinese"
    page = re.sub(r"<svg hidden>.*?</svg>", "", (WEB / "index.html").read_text(), flags=re.DOTALL)
    shown = {each.strip() for each in re.findall(r">([^<>]+)<", page)} - {""}
    assert shown == {"Bramble"}


def test_the_page_can_be_installed() -> None:
    manifest = json.loads((WEB / "app.webmanifest").read_text())
    theme = (WEB / "style" / "theme.css").read_text()
    assert f"--paper: light-dark({manifest['background_color']}," in theme
    assert manifest["display"] == "standalone" and manifest["start_url"] == "/"
    for each in manifest["icons"]:
        data = (WEB / each["src"]).read_bytes()
        if each["type"] == "image/png":
            width, height = struct.unpack(">II", data[16:24])
            assert each["sizes"] == f"{width}x{height}"
    assert {"192x192", "512x512"} <= {each["sizes"] for each in manifest["icons"]}


async def test_the_browser_finds_nothing_wrong_with_the_manifest(live: Live, visit: Visit) -> None:
    person = await (await visit(live.url)).ready()
    browser = await person.devtools()
    found = await browser.send("Page.getAppManifest")
    assert found["errors"] == []
    assert found["url"].endswith("/app.webmanifest")
    assert json.loads(found["data"])["name"] == "Bramble"


def test_every_module_is_asked_for_at_once() -> None:
    page = (WEB / "index.html").read_text()
    named = set(re.findall(r'modulepreload" href="{{static}}/([\w/.-]+)"', page)) | {"app.js"}
    at_once = set[str]()
    left = ["app.js"]
    while left:
        name = left.pop()
        at_once.add(name)
        folder = (WEB / name).parent
        for source in re.findall(r'^import [^;]*?"(\.[^"]+)";', (WEB / name).read_text(), re.M):
            target = (folder / source).resolve().relative_to(WEB.resolve()).as_posix()
            if target not in at_once:
                left.append(target)
    assert named == at_once


def test_both_languages_say_the_same_things() -> None:
    english, chinese = (words(language) for language in ("en", "zh"))
    assert english.keys() == chinese.keys()
    for key in english:
        assert placeholders(english[key]) == placeholders(chinese[key]), key


def test_every_key_that_is_used_has_words_and_the_other_way_round() -> None:
    source = "\n".join(path.read_text() for path in [*SCRIPTS, WEB / "index.html"])
    for key in words("en"):
        named = f'"{key}"' in source
        built = re.fullmatch(f"({BUILT})\\.[\\w.-]+", key)
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
