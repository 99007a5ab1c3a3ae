"""What reading along while somebody types gives them, and what it takes from others."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from functools import partial
from statistics import median

from tests.bench.client import Client
from tests.bench.measure import Figures, Line, Measure, Scenario, at_least, at_most, of
from tests.bench.person import Person, person
from tests.bench.scenarios.loads import warm
from tests.bench.servers import bramble
from tests.bench.text import PROMPTS, fresh

AHEAD, OFF = "typing ahead", "not"
HISTORY_TOKENS = 600
DRAFT_TOKENS = 300
TYPING_SECONDS = 8.0
"""For the whole draft: faster than anybody types, so that the work has less time than it would have."""
ANSWERS = 3
ANSWER_TOKENS = 96


class TypingAhead(Scenario):
    """A draft of 300 tokens after a history of 600: seconds from Enter to the first token; then three answers to
    somebody else, each once while nobody types and once while this person does: their tokens a second.

    Targets: at most 0.2 of the same message with chat.typing_ahead off, and another's answer loses at most 3 %.
    """

    name = "typing"
    lines = (
        Line("first token after Enter, s", of("enter_s", AHEAD), of("enter_s", OFF), at_most(0.2)),
        Line(
            "another's answer, beside typing / alone, tok/s",
            of("beside_tok_s", AHEAD),
            of("alone_tok_s", AHEAD),
            at_least(0.97),
        ),
    )

    def sides(self) -> dict[str, Measure]:
        """The setting on and off."""
        return {AHEAD: partial(self._round, ahead=True), OFF: partial(self._round, ahead=False)}

    async def _round(self, *, ahead: bool) -> Figures:
        settings = (f"chat.typing_ahead={str(ahead).lower()}", "chat.max_tokens=16")
        async with (
            bramble(self.options, *settings) as server,
            warm(server) as other,
            person(server.url) as writer,
        ):
            await writer.say(fresh(HISTORY_TOKENS))
            figures = {"enter_s": await _typed(writer)}
            return figures | (await _others(other, writer) if ahead else {})


async def _typed(writer: Person) -> float:
    draft = fresh(DRAFT_TOKENS)
    await writer.type(draft, TYPING_SECONDS)
    return await writer.say(draft)


async def _others(other: Client, writer: Person) -> Figures:
    alone, beside = list[float](), list[float]()
    for prompt in PROMPTS[:ANSWERS]:
        alone.append((await other.ask(prompt, ANSWER_TOKENS)).rate or 0)
        async with _typing(writer):
            beside.append((await other.ask(prompt, ANSWER_TOKENS)).rate or 0)
    return {"alone_tok_s": median(alone), "beside_tok_s": median(beside)}


@asynccontextmanager
async def _typing(writer: Person) -> AsyncGenerator[None, None]:
    """Somebody writes one draft after another."""

    async def drafts() -> None:
        while True:
            await writer.type(fresh(DRAFT_TOKENS), TYPING_SECONDS)

    task = asyncio.create_task(drafts())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await writer.type("", 0)
