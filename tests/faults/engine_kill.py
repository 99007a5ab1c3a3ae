"""kill -9 of the engine while it answers."""

import math
import random
import re
import time
from collections.abc import Awaitable, Callable
from typing import TypedDict

from aiohttp import ClientSession

from bramble.config import Config
from tests.daemons import SOMEBODY, Live
from tests.faults.fault import Fault, Tally, percentile
from tests.faults.ground import engine_of, unplanned
from tests.faults.people import question
from tests.page import Page, page

TOKENS = 96
SETTINGS = ("chat.temperature=0", f"chat.max_tokens={TOKENS}")
PIECES = 6
"""A fast machine says so much in ten, where the starter repeats itself."""
TIE = 1.0
"""Nats between two tokens that count as equally likely. A prefix that is computed anew changes the last bits, and the
4-bit starter makes much of them: of 96 gaps between its two likeliest tokens 90 % moved by less than 0.13, one by
0.44; in 300 deaths gaps of 0.23 and 0.50 were seen. A token lost at the seam shows in 40 of 40 tries, a doubled one
in 22.
"""
LOADED = re.compile(r"loaded in ([0-9.]+) s")
PROMPT = "<|im_start|>system\n{}<|im_end|>\n<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"


class Logprobs(TypedDict):
    """What `/v1/completions` tells of a text: its tokens, and of each the likeliest ones in nats."""

    tokens: list[str]
    top_logprobs: list[dict[str, float]]


class Choice(TypedDict):
    """What `/v1/completions` answers."""

    text: str
    logprobs: Logprobs


class KillEngine(Fault):
    """The engine is killed at a random moment of an answer.

    The daemon lives on, its client sees a pause and no error, no piece is lost or doubled, and what follows is what the
    model says after exactly that text: it equals a new completion of the same prefix at temperature 0, where the model
    does not waver between two tokens. p95 of the pause: at most what that load took, and 2 s; of fewer than 20 tries
    the median, as their p95 is the slowest of them.
    """

    name, full, few, timed = "engine-kill", 200, 3, "pause"

    async def inflict(self, tally: Tally, tries: int) -> None:
        """One answer after the other, each with a death."""
        with self.ground.daemon(*SETTINGS) as live:
            async with ClientSession(headers=SOMEBODY) as http, page(http, live.url) as one:
                wavering, beyond = 0, list[float]()
                for number in range(tries):
                    with tally.attempt():
                        wavering += await _die(live, one, http, tally, beyond)
                    if number % 20 == 19:
                        self.ground.tell(f"{self.name}: {number + 1}, {tally.failures} failures")
            name, part = ("p95", 0.95) if tries >= 20 else ("median", 0.5)
            tally.bound(f"{name} of the pause beyond the load", percentile(beyond, part), 2, "s")
            tally.figures.append(f"the model wavered at {wavering} seams")
            for words in unplanned(live):
                tally.problem(words)


async def _die(
    live: Live, one: Page, http: ClientSession, tally: Tally, beyond: list[float]
) -> bool:
    """One answer with a death in it. Returns whether the model wavered behind the seam."""
    text = question()
    await one.state(phase="ready")
    said = await one.say(text)
    await one.piece(random.randint(1, PIECES))
    engine_of(live).kill()
    died, pause, before = time.monotonic(), 0.0, None
    while (frame := await one.receive())["type"] != "done":
        assert frame["type"] != "error", frame
        if frame["type"] == "paused":
            before = one.text(said["answer"])
        elif frame["type"] == "piece" and before is not None and not pause:
            pause = time.monotonic() - died
    assert before is not None, "the answer was over before the engine died"
    assert live.process.poll() is None, "the daemon is gone"
    pause = pause or time.monotonic() - died
    tally.seconds.append(pause)
    beyond.append(pause - float(LOADED.findall(live.log.read_text())[-1]))
    after = one.text(said["answer"])
    stored = (await one.open(said["conversation"]))["messages"][-1]["text"]
    tally.lose(int(stored != after), "answers stored otherwise than they were shown")
    return await _compare(http, live.url, text, before, after[len(before) :])


async def _compare(http: ClientSession, url: str, text: str, before: str, rest: str) -> bool:
    """Hold what followed the seam against a new completion. Returns whether they part at a near-tie."""
    prompt = PROMPT.format(Config().chat.system_prompt, text) + before
    gaps = [await _parting(http, url, read, prompt, rest) for read in (_whole, _line_by_line)]
    gap, fresh = min(gaps)
    assert gap < TIE, f"{gap:.2f} nats: {before[-40:]!r} goes on {rest!r}, not {fresh!r}"
    return gap > 0


Read = Callable[[ClientSession, str, str], Awaitable[list[int]]]
"""How a text becomes tokens; an answer goes on from the model's own, which nobody is told."""


async def _whole(http: ClientSession, url: str, text: str) -> list[int]:
    """As the model reads it."""
    async with http.post(f"{url}/tokenize", json={"content": text}) as response:
        return (await response.json())["tokens"]


async def _line_by_line(http: ClientSession, url: str, text: str) -> list[int]:
    """As the starter may write it: an empty line is one token when it reads, two when it writes."""
    first, *others = text.split("\n")
    tokens = await _whole(http, url, first)
    for line in others:
        tokens += [*await _whole(http, url, "\n"), *(await _whole(http, url, line) if line else ())]
    return tokens


async def _parting(
    http: ClientSession, url: str, read: Read, prompt: str, rest: str
) -> tuple[float, str]:
    """The gap in nats where a completion and what was said part, 0 where they do not; and the completion."""
    fresh = await _complete(http, url, await read(http, url, prompt))
    text = fresh["text"]
    if text.startswith(rest):
        return 0.0, text
    if rest.startswith(text):
        tokens = await read(http, url, prompt + text)
        return await _gap_of_end(http, url, tokens, rest[len(text) :]), text
    return _gap(fresh["logprobs"], rest), text


async def _complete(http: ClientSession, url: str, prompt: list[int], **options: object) -> Choice:
    greedy = {"max_tokens": TOKENS, "temperature": 0, "logprobs": 10}
    async with http.post(
        f"{url}/v1/completions", json={"prompt": prompt, **greedy, **options}
    ) as response:
        assert response.status == 200, await response.text()
        (choice,) = (await response.json())["choices"]
    return choice


async def _gap_of_end(http: ClientSession, url: str, prompt: list[int], rest: str) -> float:
    """The gap in nats between the end of a text and going on so. The end is told as an empty token."""
    (end,) = await _whole(http, url, "<|im_end|>")
    instead = await _complete(http, url, prompt, max_tokens=1, logit_bias={str(end): -100})
    (top,) = instead["logprobs"]["top_logprobs"]
    others = [value for name, value in top.items() if name and rest.startswith(name)]
    return top.get("", 0.0) - max(others, default=-math.inf)


def _gap(told: Logprobs, rest: str) -> float:
    """The least gap in nats between a token of a completion and one that leads to another text.

    The two may part before their letters do: " two" is one token, " 2" are two.
    """
    at, forks = 0, list[tuple[int, float]]()
    for token, top in zip(told["tokens"], told["top_logprobs"], strict=True):
        forks += [
            (at + len(name), top[token] - value)
            for name, value in top.items()
            if name != token and rest[at:].startswith(name)
        ]
        if not rest[at:].startswith(token):
            break
        at += len(token)
    return min((gap for end, gap in forks if end > at), default=math.inf)
