"""Frames and bodies as nobody sends them: hypothesis makes them up, the daemon says what is wrong with each."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

from aiohttp import ClientSession, ClientTimeout
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from bramble.server.codec import TYPES
from tests.daemons import DEADLINE, SOMEBODY, Live
from tests.faults.fault import Fault, Tally
from tests.faults.ground import unplanned
from tests.page import Page, page

SETTINGS = ("chat.max_tokens=1", "engine.context=512")
PATIENCE = 2.0
"""Seconds after which a client leaves that is being answered at length: it may ask for thousands of tokens."""

texts = st.text(max_size=40)
numbers = st.integers() | st.integers(-2, 3) | st.floats() | st.integers(-(2**70), 2**70)
scalars: SearchStrategy[Any] = st.none() | st.booleans() | numbers | texts
anything: SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)

FRAME_FIELDS = (
    "ref conversation text answer after message limit query title role name prompt language settings"
).split()
frames: SearchStrategy[str | bytes] = st.one_of(
    texts,
    st.binary(max_size=60),
    anything.map(json.dumps),
    st.fixed_dictionaries(
        {"type": st.sampled_from(sorted(TYPES)) | texts},
        optional=dict.fromkeys(FRAME_FIELDS, anything | texts),
    ).map(json.dumps),
)

ROUTES = (
    "/v1/chat/completions /v1/completions /v1/embeddings /v1/responses /api/chat /v1/none".split()
)
BODY_FIELDS = (
    "messages prompt input instructions max_tokens max_completion_tokens temperature top_p top_k min_p seed stop n "
    "stream stream_options logit_bias top_logprobs response_format tools tool_choice presence_penalty echo logprobs"
).split()
message: SearchStrategy[Any] = st.fixed_dictionaries(
    {},
    optional={
        "role": st.sampled_from("system user assistant tool developer".split()) | anything,
        "content": texts | anything,
        "tool_calls": anything,
        "name": anything,
    },
)
bodies: SearchStrategy[bytes] = st.one_of(
    st.binary(max_size=60),
    anything.map(lambda value: json.dumps(value).encode()),
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(BODY_FIELDS, anything)
        | {"messages": st.lists(message, max_size=3), "prompt": texts | anything},
    ).map(lambda value: json.dumps(value).encode()),
)
heads: SearchStrategy[dict[str, str]] = st.dictionaries(
    st.sampled_from(
        "Content-Type Authorization Origin Range Expect X-Conversation-Id Cookie".split()
    ),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20),
    max_size=2,
)


def examples(count: int, strategy: SearchStrategy[Any], probe: Callable[[Any], None]) -> None:
    """Hand so many of these to `probe`, which keeps its failures to itself."""
    configured = settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    configured(given(strategy)(probe))()


class Fuzz(Fault):
    """What both have in common: one daemon, a thread for hypothesis, and what its log may not show."""

    async def inflict(self, tally: Tally, tries: int) -> None:
        """So many examples."""
        with self.ground.daemon(*SETTINGS) as live:
            await asyncio.to_thread(self._examples, live, tally, tries)
            async with ClientSession() as http, page(http, live.url) as one:
                await one.state(phase="ready")
                done, _ = await one.ask("Are you well?")
                assert done["reason"] in ("stop", "length"), done
                restarts = live.log.read_text().count("ended unexpectedly")
            tally.figures.append(f"{restarts} engine restarts")
            tally.problems += [words[:1500] for words in unplanned(live)]
            if live.process.poll() is not None:
                tally.problem("the daemon is gone")

    def _examples(self, live: Live, tally: Tally, tries: int) -> None:
        raise NotImplementedError


class FuzzFrames(Fuzz):
    """10,000 frames on the WebSocket, from garbage to what is nearly right.

    The socket stays, each ping after one is answered, the log has no unhandled exception, the daemon is the same at the
    end and answers a question.
    """

    name, full, few = "fuzz-frames", 10_000, 400

    def _examples(self, live: Live, tally: Tally, tries: int) -> None:
        asyncio.run(self._on_one_socket(live, tally, tries))

    async def _on_one_socket(self, live: Live, tally: Tally, tries: int) -> None:
        loop = asyncio.get_running_loop()
        async with ClientSession(headers=SOMEBODY) as http, page(http, live.url) as one:

            def probe(frame: str | bytes) -> None:
                with tally.attempt():
                    _wait(loop, _survives(one, frame))

            await asyncio.to_thread(examples, tries, frames, probe)


def _wait(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, None]) -> None:
    """Have the loop of another thread do this."""
    asyncio.run_coroutine_threadsafe(work, loop).result(2 * DEADLINE)


async def _survives(one: Page, frame: str | bytes) -> None:
    one.frames.clear()
    if isinstance(frame, str):
        await one.socket.send_str(frame)
    else:
        await one.socket.send_bytes(frame)
    await one.send("ping")
    await one.until("pong")
    wrong = [each for each in one.frames if each.get("code") == "internal"]
    assert not wrong, (frame, wrong)


class FuzzBodies(Fuzz):
    """10,000 bodies at the routes of the APIs, from garbage to what is nearly right, with odd headers.

    None is answered with a status of 500 (503 says that something is busy), the log has no unhandled exception, the
    daemon is the same at the end and answers a question.
    """

    name, full, few = "fuzz-bodies", 10_000, 300

    def _examples(self, live: Live, tally: Tally, tries: int) -> None:
        asyncio.run(self._at_once(live, tally, tries))

    async def _at_once(self, live: Live, tally: Tally, tries: int) -> None:
        loop = asyncio.get_running_loop()
        async with ClientSession(timeout=ClientTimeout(total=PATIENCE)) as http:

            def probe(request: tuple[str, bytes, dict[str, str]]) -> None:
                with tally.attempt():
                    _wait(loop, _is_judged(http, live.url, *request))

            requests = st.tuples(st.sampled_from(ROUTES), bodies, heads)
            await asyncio.to_thread(examples, tries, requests, probe)


async def _is_judged(
    http: ClientSession, url: str, route: str, body: bytes, headers: dict[str, str]
) -> None:
    try:
        async with http.post(url + route, data=body, headers=headers) as response:
            text = await response.text()
            assert response.status in (*range(200, 500), 503), (route, body, headers, text)
            assert '"internal"' not in text, (route, body, headers, text)
    except TimeoutError:
        pass  # it was being answered at length; who leaves frees the slot
