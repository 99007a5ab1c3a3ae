"""The page for everybody: languages, light, contrast, keyboard, screen reader, direction of writing, large letters."""

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from tests.daemons import Live, Running
from tests.e2e.conftest import DESKTOP, PHONE, Visit
from tests.e2e.person import Person

AXE = Path(__file__).parents[2] / ".venv" / "axe" / "axe.min.js"
RICH = (
    "repeat 50 # Heading\n\n1. **one** and [a link](https://example.org/)\n\n> quoted\n\n"
    "| a | b |\n|---|---|\n| 1 | 2 |\n\n```python\nx = 1  # note\ny = 'text'\n```\n\n$$x^2$$\n"
)


async def open_nothing(_: Person) -> None:
    """A new chat."""


async def open_answer(person: Person) -> None:
    """An answer with everything, its figures, its versions, being changed."""
    await person.ask(RICH)
    await person.button("Answer again").click()
    await person.answered()
    await person.button("Figures").click()
    await person.button("Change this message").click()


async def open_trouble(person: Person) -> None:
    """An answer that broke off."""
    await person.say("die 2")
    await expect(person.button("Try again")).to_be_visible()


async def open_drawer(person: Person) -> None:
    """The list with what can be done, and what was deleted."""
    for text in ("say 1", "say 2", "say 3"):
        await person.new_chat()
        await person.ask(text)
    await person.unfold()
    await person.button("More for “say 1”").click()
    await person.button("Delete").click()
    await person.button("More for “say 2”").click()


async def open_search(person: Person) -> None:
    """What was found."""
    await person.ask("say 1")
    await person.unfold()
    await person.page.get_by_role("searchbox").fill("say")
    await expect(person.drawer.locator("mark").first).to_be_visible()


async def open_settings(person: Person) -> None:
    """What a person chooses."""
    await person.unfold()
    await person.button("Settings").click()


async def open_roles(person: Person) -> None:
    """Who answers."""
    await person.button("Who answers").click()
    await expect(person.button("Write a new role")).to_be_visible()


async def open_role(person: Person) -> None:
    """A role being written."""
    await open_roles(person)
    await person.button("Write a new role").click()
    await expect(person.page.get_by_label("What it is told")).to_be_visible()


async def open_welcome(person: Person) -> None:
    """What a newcomer sees."""
    await expect(person.page.get_by_label("Setup code")).to_be_visible()


VIEWS = (
    open_nothing,
    open_answer,
    open_trouble,
    open_drawer,
    open_search,
    open_settings,
    open_roles,
    open_role,
    open_welcome,
)


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.__name__.removeprefix("open_"))
@pytest.mark.parametrize("light", ["light", "dark"])
async def test_axe_finds_nothing_serious(
    daemon: Running, visit: Visit, view: Any, light: str
) -> None:
    options: dict[str, Any] = {
        "color_scheme": light,
        "reduced_motion": "reduce",
        "bypass_csp": True,
    }
    newcomer = view is open_welcome
    person = await (await visit(daemon.url, newcomer=newcomer, **PHONE | options)).ready()
    await view(person)
    await person.page.evaluate("document.activeElement?.blur()")
    for size in (PHONE, DESKTOP):
        await person.page.set_viewport_size(size["viewport"])
        assert await grave(person) == []


async def grave(person: Person) -> list[Any]:
    """What axe-core finds serious or critical in what is shown."""
    assert AXE.is_file(), "axe-core is missing: tests/run.sh fetches it"
    if not await person.page.evaluate("'axe' in window"):
        await person.page.add_script_tag(path=AXE)
    found = await person.page.evaluate("axe.run()")
    assert len(found["passes"]) > 10
    return [
        (each["id"], node["target"], node["failureSummary"])
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]


@pytest.mark.parametrize("contrast", ["more", "no-preference"])
@pytest.mark.parametrize("light", ["light", "dark"])
async def test_words_stand_out_from_their_ground(
    live: Live, visit: Visit, contrast: Any, light: Any
) -> None:
    person = await (await visit(live.url, color_scheme=light, contrast=contrast)).ready()
    script = """() => {
        const probe = document.body.appendChild(document.createElement("i"));
        const light = (name) => {
            probe.style.color = `var(--${name})`;
            const parts = getComputedStyle(probe).color.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255);
            const [r, g, b] = parts.map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const pairs = [["ink", "paper"], ["soft", "paper"], ["accent", "paper"], ["alert", "paper"], ["ink", "bubble"],
            ["soft", "tint"], ["on-accent", "accent"], ["ink", "mark"], ["code-word", "tint"], ["code-string", "tint"],
            ["code-number", "tint"], ["code-comment", "tint"]];
        const found = pairs.map(([one, other]) => {
            const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
            return [one, other, (high + 0.05) / (low + 0.05)];
        });
        probe.remove();
        return found;
    }"""
    found = await person.page.evaluate(script)
    least = 7 if contrast == "more" else 4.5
    assert [each for each in found if each[2] < (least if "code" not in each[0] else 4.5)] == []


async def test_the_chosen_language_stays(live: Live, visit: Visit) -> None:
    person = await (await visit(live.url)).ready()
    await person.input.fill("a draft")
    await person.unfold()
    await person.button("Settings").click()
    await person.page.get_by_role("radio", name="简体中文").click()
    await expect(person.state).to_have_text("就绪")
    assert await person.page.get_attribute("html", "lang") == "zh-CN"
    await expect(person.page.get_by_role("textbox", name="你的消息")).to_have_value("a draft")
    await person.page.reload()
    await expect(person.state).to_have_text("就绪")
    await person.page.get_by_role("button", name="对话列表").click()
    await person.page.get_by_role("button", name="设置").click()
    await person.page.get_by_role("radio", name="跟随浏览器").click()
    await person.ready()


async def test_the_chosen_light_stays_and_is_there_from_the_first_moment(
    live: Live, visit: Visit
) -> None:
    person = await (await visit(live.url, color_scheme="light")).ready()
    paper = "getComputedStyle(document.documentElement).backgroundColor"
    bright = await person.page.evaluate(paper)
    await person.unfold()
    await person.button("Settings").click()
    await person.page.get_by_role("radio", name="Dark").check()
    dark = await person.page.evaluate(paper)
    assert dark != bright
    bars = person.page.locator("meta[name=theme-color]")
    await expect(bars).to_have_attribute("content", dark)
    await person.page.reload()
    await expect(person.page.locator("html")).to_have_attribute("data-light", "dark")
    assert await person.page.evaluate(paper) == dark


async def test_everything_is_done_with_keys_alone(daemon: Running, visit: Visit) -> None:
    person = await (await visit(daemon.url, **DESKTOP)).ready()
    keys = person.page.keyboard
    await expect(person.input).to_be_focused()
    await keys.type("say 2")
    await keys.press("Enter")
    await person.answered()
    await reach(person, "Answer again", "Shift+Tab")
    await keys.press("Enter")
    await expect(person.answers.last).to_contain_text("2 of 2")
    await person.answered()
    await reach(person, "Earlier version", "Shift+Tab")
    await keys.press("Space")
    await expect(person.answers.last).to_contain_text("1 of 2")
    await keys.press("Control+k")
    await expect(person.page.get_by_role("searchbox")).to_be_focused()
    await keys.type("say")
    await expect(person.drawer.locator(".hit").first).to_be_visible()
    await keys.press("Escape")
    await expect(person.rows).to_have_text(["say 2"])
    await reach(person, "More for “say 2”", "Tab")
    await keys.press("Enter")
    await reach(person, "Rename", "Tab")
    await keys.press("Enter")
    await expect(person.page.get_by_label("Name of the conversation")).to_be_focused()
    await keys.type("Two")
    await keys.press("Enter")
    await expect(person.rows).to_have_text(["Two"])
    await expect(person.button("More for “Two”")).to_be_focused()
    await reach(person, "Settings", "Tab")
    await keys.press("Enter")
    await expect(person.page.get_by_role("heading", name="About")).to_be_visible()
    await keys.press("Escape")
    await expect(person.page.get_by_role("heading", name="About")).to_be_hidden()
    await keys.press("Control+Shift+O")
    await expect(person.bubbles).to_have_count(0)
    await expect(person.input).to_be_focused()
    await keys.type("slow 1000 0.01")
    await keys.press("Enter")
    await expect(person.texts.last).not_to_be_empty()
    await keys.press("Escape")
    await expect(person.answers.last).to_contain_text("stopped by you")


async def test_a_key_in_the_moment_a_sheet_closes_counts(daemon: Running, visit: Visit) -> None:
    """The browser tells that a dialog is closed a moment after it is."""
    person = await (await visit(daemon.url, **DESKTOP)).ready()
    await person.say("say 2")
    await person.answered()
    await person.button("Settings").click()
    await expect(person.page.get_by_role("heading", name="About")).to_be_visible()
    await person.page.evaluate("""() => {
        document.querySelector("#sheet").close();
        const keys = { code: "KeyO", ctrlKey: true, shiftKey: true, bubbles: true };
        document.body.dispatchEvent(new KeyboardEvent("keydown", keys));
    }""")
    await expect(person.bubbles).to_have_count(0)
    await expect(person.page.get_by_role("heading", name="About")).to_be_hidden()
    await expect(person.input).to_be_focused()


@pytest.mark.parametrize("screen", [DESKTOP, PHONE], ids=["beside", "over"])
@pytest.mark.parametrize("drawer", ["open", "closed"])
async def test_what_is_typed_after_the_key_belongs_to_the_search(
    daemon: Running, visit: Visit, screen: dict[str, Any], drawer: str
) -> None:
    """Not only from the next frame on, which is late where the processor is busy."""
    person = await (await visit(daemon.url, **screen)).ready()
    if (await person.drawer.is_visible()) != (drawer == "open"):
        await person.button("Conversations").click()
    await expect(person.drawer).to_be_visible(visible=drawer == "open")
    focused = await person.page.evaluate("""() => {
        document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "k", ctrlKey: true, bubbles: true }));
        return document.activeElement.id;
    }""")
    assert focused == "search"
    await expect(person.drawer).to_be_visible()
    await expect(person.page.get_by_role("searchbox")).to_be_focused()


async def reach(person: Person, name: str, key: str) -> None:
    """Press `key` until the button of this name has the focus."""
    button = person.page.get_by_role("button", name=name).last
    for _ in range(40):
        await person.page.keyboard.press(key)
        if await button.evaluate("(button) => button === document.activeElement"):
            return
    raise AssertionError(f"{name} is not reached by {key}")


async def test_a_screen_reader_hears_sentences(daemon: Running, visit: Visit) -> None:
    person = await (await visit(daemon.url)).ready()
    await person.listen()
    text = "The **sky** is blue. It is 3.5 km high! Why? \n\n```py\nx = 1. y = 2.\n```\n今天很好。明天呢？\n\nThe end"
    await person.ask(f"write 3 0.005 {text}")
    heard = await person.heard()
    assert heard[0].startswith("Answer: The sky is blue.")
    spoken = "Answer: The sky is blue. It is 3.5 km high! Why? (code) 今天很好。明天呢？ The end"
    assert "".join(heard).replace(" ", "") == spoken.replace(
        " ", ""
    )  # a busy page says two at once
    assert all(each.endswith((".", "!", "?", "。", "？", "(code)")) for each in heard[:-1])
    assert 2 <= len(heard) <= 8


async def test_no_sentence_is_lost_or_said_twice_wherever_the_pieces_end(
    daemon: Running, visit: Visit
) -> None:
    person = await (await visit(daemon.url)).ready()
    text = (
        "One. Two!\n\n```py\nx = 1. y\n\nz = 2.\n```\n今天很好。\n\n"
        "```\n\n```\nThree? ```a. b``` Four.\n\n```\nopen. end"
    )
    script = """async (base, text, size) => {
        const { sentencesFrom } = await import(base + "chat/live.js");
        const heard = [];
        let start = 0;
        for (let end = size; end < text.length + size; end += size) {
            const found = sentencesFrom(text.slice(0, end), start, end >= text.length);
            if (found.words) heard.push(found.words);
            start = Math.max(start, found.end);
        }
        return heard.join("");
    }"""
    once = "One.Two!(code)今天很好。(code)Three?a.bFour.(code)"
    for size in range(1, len(text) + 1):
        heard = await person.run(script, text, size)
        assert heard.replace(" ", "") == once, size


async def test_each_message_says_its_language_and_direction(daemon: Running, visit: Visit) -> None:
    person = await (await visit(daemon.url)).ready()
    family = "👩‍👩‍👧‍👦"
    await person.ask(f"repeat 1 你好，这是中文 {family}")
    await expect(person.answers.last).to_have_attribute("lang", "zh-CN")
    await expect(person.texts.last).to_contain_text(family)
    await person.ask("repeat 2 مرحبا بالعالم")
    paragraph = person.texts.last.locator("p")
    assert await paragraph.evaluate("(p) => getComputedStyle(p).direction") == "rtl"
    assert await person.answers.last.get_attribute("lang") == ""


@pytest.mark.parametrize("language", ["en-US", "zh-CN"])
async def test_at_twice_the_size_nothing_is_cut_off(
    live: Live, visit: Visit, language: str
) -> None:
    person = await visit(
        live.url, viewport={"width": 640, "height": 400}, device_scale_factor=2, locale=language
    )
    await expect(person.state).to_have_class("ready")
    await person.page.locator("#message").fill(RICH)
    await person.page.keyboard.press("Enter")
    await expect(person.answers.last.locator(".buttons")).to_be_visible()
    await person.page.locator("#toggle").click()
    await person.page.locator("[data-action=settings]").click()
    await person.page.keyboard.press("Escape")
    await person.page.evaluate("document.documentElement.style.fontSize = '200%'")
    script = """() => [...document.querySelectorAll("header, main, footer, #message, #send, #name, #toggle, #new")]
        .map((each) => each.getBoundingClientRect())
        .filter(({ left, right, bottom }) => left < 0 || right > innerWidth + 1 || bottom > innerHeight + 1).length"""
    assert await person.page.evaluate(script) == 0
    assert await person.page.locator("main").evaluate("(main) => main.clientHeight") > 60


async def test_without_motion_nothing_moves(live: Live, visit: Visit) -> None:
    person = await (await visit(live.url, reduced_motion="reduce")).ready()
    await person.say("Hello!")
    await person.unfold()
    script = "() => document.getAnimations().filter((each) => each.effect.getTiming().duration > 1).length"
    assert await person.page.evaluate(script) == 0
