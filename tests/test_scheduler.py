"""The queue in front of a real engine with one slot: order, bounds, positions, drain."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

import pytest

from bramble.engine import wire
from bramble.engine.client import Engine, EngineSpec, Paused
from bramble.errors import Busy, ModelUnavailable
from bramble.scheduler import Queued, Request, Scheduler

LONG = Request((wire.Turn("user", "Write a very long story about the sea."),), 900)
SHORT = Request((wire.Turn("user", "Say yes."),), 2)

Stream = AsyncGenerator[
    Queued | wire.Started | wire.Progress | wire.Piece | Paused | wire.Done, None
]


def make_engine(model: Path) -> Engine:
    return Engine(EngineSpec(wire.Load(str(model), 1024, 1, 0, 256, 250), 10000))


@pytest.fixture
async def engine(starter: Path) -> AsyncIterator[Engine]:
    engine = make_engine(starter)
    await engine.start()
    yield engine
    await engine.stop(5)


@pytest.fixture
def scheduler(engine: Engine) -> Scheduler:
    return Scheduler(engine, slots=1, waiting=4, per_person=2)


async def begin(scheduler: Scheduler, person: str) -> Stream:
    """Start a long answer and return it once it has the slot."""
    stream = scheduler.submit(person, LONG)
    async for event in stream:
        if isinstance(event, wire.Piece):
            break
    return stream


async def finish(stream: Stream, name: str, order: list[str]) -> list[object]:
    events: list[object] = [event async for event in stream]
    order.append(name)
    return events


async def test_somebody_else_comes_before_ones_own_second_message(scheduler: Scheduler) -> None:
    running = await begin(scheduler, "ann")
    order: list[str] = []
    names = ["ann", "ann", "bob", "cem"]
    tasks = [
        asyncio.create_task(finish(scheduler.submit(name, SHORT), f"{name}{i}", order))
        for i, name in enumerate(names)
    ]
    while scheduler.waiting < 4:
        await asyncio.sleep(0)
    await running.aclose()
    results = await asyncio.gather(*tasks)
    assert order == ["bob2", "cem3", "ann0", "ann1"]
    positions = [[e.position for e in events if isinstance(e, Queued)] for events in results]
    assert positions[2][-1] == 1
    assert all(isinstance(events[-1], wire.Done) for events in results)
    assert scheduler.running == scheduler.waiting == 0


async def test_the_estimate_comes_from_measured_answers(scheduler: Scheduler) -> None:
    await finish(scheduler.submit("ann", SHORT), "", [])
    running = await begin(scheduler, "ann")
    waiting = scheduler.submit("bob", SHORT)
    queued = await anext(waiting)
    assert isinstance(queued, Queued)
    assert queued.position == 1
    assert queued.eta is not None
    assert 0 < queued.eta < 60
    await waiting.aclose()
    await running.aclose()


async def test_a_full_queue_refuses_at_once_and_says_when_to_come_back(
    scheduler: Scheduler,
) -> None:
    running = await begin(scheduler, "ann")
    places = [scheduler.submit(f"guest {n}", SHORT) for n in range(4)]
    for place in places:
        await anext(place)
    with pytest.raises(Busy) as refusal:
        await anext(scheduler.submit("late", SHORT))
    assert refusal.value.retry_after > 0
    await places[0].aclose()
    late = scheduler.submit("late", SHORT)
    assert isinstance(await anext(late), Queued)
    for stream in (*places, late, running):
        await stream.aclose()
    assert scheduler.waiting == scheduler.running == 0


async def test_one_person_cannot_take_the_whole_queue(scheduler: Scheduler) -> None:
    running = await begin(scheduler, "ann")
    mine = [scheduler.submit("ann", SHORT) for _ in range(2)]
    for place in mine:
        await anext(place)
    with pytest.raises(Busy, match="your own"):
        await anext(scheduler.submit("ann", SHORT))
    for stream in (*mine, running):
        await stream.aclose()


async def test_waiting_survives_an_engine_that_dies(scheduler: Scheduler, engine: Engine) -> None:
    running = await begin(scheduler, "ann")
    waiting = asyncio.create_task(finish(scheduler.submit("bob", SHORT), "", []))
    while not scheduler.waiting:
        await asyncio.sleep(0)
    assert engine.state.pid is not None
    os.kill(engine.state.pid, signal.SIGKILL)
    # Who was being answered goes on where the engine stopped; who waited is answered after.
    assert isinstance((await asyncio.wait_for(finish(running, "", []), 60))[-1], wire.Done)
    assert isinstance((await asyncio.wait_for(waiting, 60))[-1], wire.Done)


async def test_draining_finishes_what_runs_and_refuses_the_rest(scheduler: Scheduler) -> None:
    running = asyncio.create_task(finish(scheduler.submit("ann", SHORT), "", []))
    while not scheduler.running:
        await asyncio.sleep(0)
    waiting = asyncio.create_task(finish(scheduler.submit("bob", SHORT), "", []))
    while not scheduler.waiting:
        await asyncio.sleep(0)
    await asyncio.wait_for(scheduler.drain(20), 30)
    with pytest.raises(Busy, match="shutting down"):
        await waiting
    assert isinstance((await running)[-1], wire.Done)
    with pytest.raises(Busy, match="shutting down"):
        await anext(scheduler.submit("cem", SHORT))


async def test_a_model_that_cannot_be_used_is_said_to_whoever_waits(tmp_path: Path) -> None:
    engine = make_engine(tmp_path / "absent.gguf")
    scheduler = Scheduler(engine, slots=1, waiting=4, per_person=4)
    await engine.start()
    streams = [scheduler.submit(name, SHORT) for name in ("ann", "bob")]
    results = await asyncio.gather(
        *(finish(stream, "", []) for stream in streams), return_exceptions=True
    )
    assert all(isinstance(result, ModelUnavailable) for result in results)
    await engine.stop(1)


async def test_a_model_that_came_with_fewer_slots(starter: Path) -> None:
    """Who was let in while it loaded goes back to the queue, and everyone is answered in turn."""
    engine = make_engine(starter)
    scheduler = Scheduler(engine, slots=3, waiting=4, per_person=2)
    engine.watch(lambda state: scheduler.resize(state.model.slots) if state.model else None)
    order: list[str] = []
    tasks = [
        asyncio.create_task(finish(scheduler.submit(name, SHORT), name, order))
        for name in ("ann", "bob", "cem", "dan")
    ]
    await asyncio.sleep(0)
    assert (scheduler.running, scheduler.waiting) == (3, 1)
    await engine.start()
    answers = await asyncio.gather(*tasks)
    assert order == ["ann", "bob", "cem", "dan"]
    assert all(isinstance(events[-1], wire.Done) for events in answers)
    assert [event.position for event in answers[2] if isinstance(event, Queued)] == [2, 1]
    assert (scheduler.running, scheduler.waiting) == (0, 0)
    await engine.stop(5)
