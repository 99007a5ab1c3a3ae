"""Running answers: whoever follows, from wherever, at whatever speed, reads the same text."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import pytest

from bramble.chat.answer import Answer, Event, Over, Text, Update
from bramble.chat.answers import Answers, Stopping
from bramble.engine.wire import Done, Piece, Progress, Started
from bramble.errors import EngineLost
from bramble.scheduler import Queued

STARTED = Started(1, 10, 0)
DONE = Done(1, "stop", 10, 0, 3, 1.0, 1.0)
END = None


class Source:
    """Events fed by hand; an exception among them is raised, END ends."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Event | Exception | None] = asyncio.Queue()
        self.closed = False

    def feed(self, *events: Event | Exception | None) -> None:
        for event in events:
            self.queue.put_nowait(event)

    async def events(self) -> AsyncGenerator[Event, None]:
        try:
            while (event := await self.queue.get()) is not None:
                if isinstance(event, Exception):
                    raise event
                yield event
        finally:
            self.closed = True


async def settled(_: Over) -> None:
    """Nothing to store."""


async def read(answer: Answer, after: int = 0) -> list[Update]:
    async with asyncio.timeout(5), aclosing(answer.follow(after)) as updates:
        return [update async for update in updates]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


def text(updates: list[Update]) -> str:
    return "".join(update.text for update in updates if isinstance(update, Text))


def over(updates: list[Update]) -> Over:
    assert isinstance(updates[-1], Over)
    return updates[-1]


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
async def answer(source: Source) -> Answer:
    answer = Answer()
    answer.begin(source.events(), settled)
    return answer


async def test_a_live_follower_is_told_everything_in_order(source: Source, answer: Answer) -> None:
    reading = asyncio.create_task(read(answer))
    events = [
        Queued(1, None),
        STARTED,
        Progress(1, 5, 10),
        Piece(1, "a", 1),
        Piece(1, "b", 2),
        DONE,
    ]
    for event in events:
        source.feed(event)
        await until(source.queue.empty)
        for _ in range(5):
            await asyncio.sleep(0)
    source.feed(END)
    told = await reading
    assert told == [*events[:3], Text(1, "a"), Text(2, "b"), Over("stop", 2, DONE)]


@pytest.mark.parametrize("after", range(5))
async def test_who_resumes_gets_the_rest_once(source: Source, answer: Answer, after: int) -> None:
    source.feed(STARTED, Piece(1, "a", 1), Piece(1, "b", 2), Piece(1, "c", 3))
    await until(lambda: len(answer.pieces) == 3)
    reading = asyncio.create_task(read(answer, after))
    await asyncio.sleep(0)
    source.feed(Piece(1, "d", 4), DONE, END)
    updates = await reading
    assert text(updates) == "abcd"[min(after, 3) :]
    assert (STARTED in updates) == (after == 0)
    assert over(updates).n == 4


async def test_a_slow_follower_gets_one_piece_for_all_it_missed(source: Source) -> None:
    answer = Answer()
    answer.begin(source.events(), settled)
    async with aclosing(answer.follow()) as updates:
        source.feed(STARTED, Piece(1, "a", 1))
        assert await anext(updates) == STARTED
        assert await anext(updates) == Text(1, "a")
        source.feed(*(Piece(1, str(n % 10), n) for n in range(2, 1002)), DONE, END)
        await answer.end()
        rest = [update async for update in updates]
    assert rest == [Text(1001, "".join(answer.pieces[1:])), Over("stop", 1001, DONE)]


async def test_followers_come_and_go_without_a_trace(source: Source, answer: Answer) -> None:
    source.feed(STARTED, Piece(1, "a", 1))
    async with aclosing(answer.follow()) as updates:
        await anext(updates)
    source.feed(DONE, END)
    assert text(await read(answer)) == "a"


async def test_stop_closes_the_source_and_keeps_the_text(source: Source, answer: Answer) -> None:
    source.feed(STARTED, Piece(1, "a", 1))
    await until(lambda: bool(answer.pieces))
    answer.stop()
    assert await answer.end() == Over("stopped", 1)
    assert source.closed
    answer.stop()
    assert text(await read(answer)) == "a"


async def test_an_error_is_told_to_every_follower(source: Source, answer: Answer) -> None:
    error = EngineLost("The engine died.")
    readers = [asyncio.create_task(read(answer)) for _ in range(3)]
    source.feed(STARTED, Piece(1, "a", 1), error)
    for reader in readers:
        assert over(await reader) == Over("error", 1, error=error)


@pytest.mark.parametrize("end", [RuntimeError("a bug"), END])
async def test_an_end_that_nobody_planned_is_internal(
    source: Source, answer: Answer, end: Exception | None
) -> None:
    source.feed(STARTED, end)
    over = await answer.end()
    assert over.error is not None
    assert over.error.code == "internal"


async def test_nobody_is_told_of_the_end_before_it_is_stored(source: Source) -> None:
    answer, stored = Answer(), asyncio.Event()

    async def store(_: Over) -> None:
        await stored.wait()

    answer.begin(source.events(), store)
    reading = asyncio.create_task(read(answer))
    source.feed(STARTED, DONE, END)
    await until(lambda: source.closed)
    await asyncio.sleep(0.01)
    assert not reading.done()
    stored.set()
    assert over(await reading).reason == "stop"


async def test_a_text_that_cannot_be_stored_is_told(source: Source) -> None:
    async def full(_: Over) -> None:
        raise OSError("no space left on device")

    answer = Answer()
    answer.begin(source.events(), full)
    source.feed(STARTED, Piece(1, "a", 1), DONE, END)
    over = await answer.end()
    assert over.reason == "error"
    assert over.error is not None
    assert over.error.code == "internal"


async def test_at_a_stop_running_answers_are_ended_and_none_begins(source: Source) -> None:
    answers, answer = Answers(), Answer(reply=7)
    answers.begin(answer, source.events(), settled, keep=True)
    source.feed(STARTED, Piece(1, "a", 1))
    await until(lambda: bool(answer.pieces))
    assert answers.find(answer.id) is answers.into(7) is answer
    await answers.close()
    assert isinstance((await answer.end()).error, Stopping)
    with pytest.raises(Stopping):
        answers.begin(Answer(), source.events(), settled, keep=True)


async def test_answers_that_are_over_are_kept_within_bounds() -> None:
    answers = Answers()
    for reply in range(1, 201):
        source, answer = Source(), Answer(reply)
        answers.begin(answer, source.events(), settled, keep=reply % 2 == 0)
        source.feed(STARTED, DONE, END)
        await answer.end()
        await asyncio.sleep(0)
    kept = [reply for reply in range(1, 201) if answers.into(reply)]
    assert 200 in kept
    assert 64 <= len(kept) <= 65
