"""An engine that is put away and woken, and one that the kernel ended for want of memory: nobody loses an answer."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from bramble.engine import supervisor as rules
from bramble.engine import wire
from bramble.engine.client import Engine, Phase
from tests.engine.test_supervisor import TURNS, collect, script, spec, until


@pytest.fixture
async def engine(starter: Path) -> AsyncIterator[Engine]:
    engine = Engine(spec(starter))
    await engine.start()
    await until(engine, lambda state: state.phase is Phase.READY)
    yield engine
    await engine.stop(5)


async def test_an_answer_goes_on_where_its_model_was_put_away(engine: Engine) -> None:
    began = asyncio.Event()
    answer = asyncio.create_task(collect(engine, 100, began))
    await asyncio.wait_for(began.wait(), 30)
    pid = engine.state.pid
    engine.rest("Memory is needed elsewhere.")
    await until(engine, lambda state: state.pid is None)
    assert engine.state.phase is Phase.RESTING
    assert engine.state.reason == "Memory is needed elsewhere."
    assert pid is not None and not Path(f"/proc/{pid}").exists()
    engine.wake()
    assert len(await asyncio.wait_for(answer, 30)) > 100
    assert engine.state.restarts == 0, "nothing went wrong"


async def test_only_who_was_told_so_is_woken_by_a_question(engine: Engine) -> None:
    engine.rest("Nobody has asked.", until_asked=True)
    await until(engine, lambda state: state.pid is None)
    assert (await asyncio.wait_for(engine.ready(), 30)).name == "Starter"
    engine.rest("Nobody has asked.", until_asked=True)
    engine.rest("Memory is needed elsewhere.")
    await until(engine, lambda state: state.pid is None)
    engine.typing("somebody", TURNS)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(engine.ready(), 1)
    assert engine.state.phase is Phase.RESTING
    engine.wake()
    await asyncio.wait_for(engine.ready(), 30)


async def test_somebody_who_begins_to_type_wakes_it(engine: Engine) -> None:
    engine.rest("Nobody has asked.", until_asked=True)
    engine.typing("somebody", TURNS)
    await until(engine, lambda state: state.phase is Phase.READY)


async def test_rest_and_wake_in_any_order(engine: Engine) -> None:
    for pause in (0, 0, 0.01, 0.05, 0.1, 0.3):
        engine.rest("Away.")
        await asyncio.sleep(pause)
        engine.wake()
        await asyncio.sleep(pause)
    await until(engine, lambda state: state.phase is Phase.READY)
    assert await collect(engine, 4)


async def test_limits_hold_for_the_next_engine_too(engine: Engine) -> None:
    engine.limit(wire.Limits(threads=1, ahead=False, aside=0.0, idle=False))
    assert await collect(engine, 4)
    pid = engine.state.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await until(engine, lambda state: state.phase is Phase.READY and state.pid != pid)
    first = [event async for event in engine.generate(TURNS, max_tokens=4)]
    again = [event async for event in engine.generate(TURNS, max_tokens=4)]
    for events in (first, again):
        (started,) = (event for event in events if isinstance(event, wire.Started))
        assert started.cached_tokens == 0


class Strict:
    """A ration that notes what it is asked, and knows why an engine was killed."""

    def __init__(self, *rooms: int) -> None:
        self.rooms = list(rooms)
        self.asked: list[str] = []

    def order(self, load: wire.Load) -> wire.Load:
        self.asked.append("order")
        room = self.rooms.pop(0) if len(self.rooms) > 1 else self.rooms[0]
        return msgspec.structs.replace(load, memory=room)

    def killed(self) -> str:
        self.asked.append("killed")
        return "The kernel ended it because memory ran out."

    def relax(self) -> None:
        self.asked.append("relax")


async def test_the_reason_is_told_where_memory_was_it(starter: Path) -> None:
    engine = Engine(spec(starter), Strict(2_000_000_000))
    reasons: list[str] = []
    engine.watch(lambda state: reasons.append(state.reason))
    await engine.start()
    try:
        await until(engine, lambda state: state.phase is Phase.READY)
        assert engine.state.pid is not None
        os.kill(engine.state.pid, signal.SIGKILL)
        await until(engine, lambda state: state.restarts == 1 and state.phase is Phase.READY)
        assert "The kernel ended it because memory ran out." in reasons
    finally:
        await engine.stop(5)


async def test_a_model_that_does_not_fit_is_loaded_once_it_does(
    starter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "FAILED_RETRY", 0.2)
    ration = Strict(60_000_000, 60_000_000, 61_000_000, 2_000_000_000)
    engine = Engine(spec(starter), ration)
    await engine.start()
    try:
        await until(engine, lambda state: state.phase is Phase.FAILED)
        assert "MB" in engine.state.reason
        await until(engine, lambda state: state.phase is Phase.READY)
        assert await collect(engine, 4)
        assert engine.state.restarts == 0
    finally:
        await engine.stop(5)


async def test_an_engine_that_is_put_away_while_it_loads_leaves(tmp_path: Path) -> None:
    engine = Engine(spec(tmp_path, script("time.sleep(600)")))
    await engine.start()
    await until(engine, lambda state: state.pid is not None)
    pid = engine.state.pid
    engine.rest("Away.")
    await until(engine, lambda state: state.pid is None)
    assert not Path(f"/proc/{pid}").exists()
    await engine.stop(1)
    assert engine.state.phase is Phase.STOPPED
