"""The guards of a whole daemon with the fake engine, on a board whose memory and heat the test changes."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path

import pytest

from bramble.board import cooling, guard, patience, shortage, watch
from bramble.board.levels import Change, Level, Shed
from bramble.engine.client import EngineState, Phase
from tests.board.boards import copy, put
from tests.conftest import Start
from tests.daemons import Running
from tests.page import Page, page

USAGE = "sys/fs/cgroup/system.slice/bramble.service/memory.current"
TEMPERATURE = "sys/class/thermal/thermal_zone0/temp"
EVENTS = "sys/fs/cgroup/system.slice/bramble.service/memory.events"
FREE, FULL = 900_000_000, 2_500_000_000
"""Bytes that the service's group holds; 1.4 GB are allowed."""
HASTE = {
    guard: ["SETTLE"],
    shortage: ["CLIMB", "QUIET"],
    patience: ["QUICK"],
    cooling: ["STEP", "FAST_STEP", "OVERHEATED", "QUIET"],
}
"""What takes 10 to 60 s else."""
SECONDS = 30.0
WORDS = 200
WHOLE = "".join(f"{number}字 " for number in range(WORDS))


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cool Pi 4 with memory, whose guards are in haste."""
    root = copy("pi4b", tmp_path)
    put(root, TEMPERATURE, "50000\n")
    put(root, USAGE, f"{FREE}\n")
    for rules, names in HASTE.items():
        for name in names:
            monkeypatch.setattr(rules, name, 0.3)
    monkeypatch.setattr(watch, "TICK", 0.1)
    return root


@pytest.fixture
async def daemon(start: Start, board: Path) -> AsyncIterator[Running]:
    async with start(["engine.slots=4"], root=board) as daemon:
        await daemon.until(Phase.READY)
        yield daemon


async def until(fits: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not fits():
            await asyncio.sleep(0.02)


def shed(daemon: Running) -> tuple[Shed, ...]:
    return daemon.daemon.watch.state.shed


async def readiness(daemon: Running) -> tuple[int, dict[str, str]]:
    async with daemon.http.get(f"{daemon.url}/readyz") as response:
        return response.status, await response.json()


async def guarded(one: Page) -> dict[str, str]:
    """The guard of the next state that has one."""
    while not (frame := await one.until("state"))["guard"]:
        pass
    return frame["guard"]


async def test_memory_runs_out_and_returns_under_four_answers(daemon: Running, board: Path) -> None:
    """All four end whole, who comes meanwhile is told why not, and all is given back in reverse."""
    changes: list[Change] = []
    daemon.daemon.watch.watch(changes.append)
    async with AsyncExitStack() as stack:
        late, *four = [
            await stack.enter_async_context(page(daemon.http, daemon.url)) for _ in range(5)
        ]
        said = [await each.say(f"say {WORDS} 0.02") for each in four]
        for each in four:
            await each.piece()
        put(board, USAGE, f"{FULL}\n")
        told = await guarded(late)
        assert told["sentence"] and told["code"].startswith("memory_")
        await until(lambda: Shed.NEW_ANSWERS in shed(daemon))
        late.frames.clear()
        refused = await late.say("say 1")
        error = await late.until("error", answer=refused["answer"])
        assert error["code"] == "recovering" and error["retry_after"] > 0
        assert "MB left" in error["message"] or "put away" in error["message"]
        status, body = await readiness(daemon)
        assert status == 503 and body["guard"]
        await until(lambda: Shed.MODEL in shed(daemon))
        await until(lambda: daemon.daemon.engine.state.pid is None)
        assert daemon.daemon.engine.state.phase is Phase.RESTING
        put(board, USAGE, f"{FREE}\n")
        for each, answer in zip(four, said, strict=True):
            done = await each.until("done", answer=answer["answer"])
            assert done["reason"] == "stop"
            assert each.text(answer["answer"]) == WHOLE
        await until(lambda: not shed(daemon))
        assert (await readiness(daemon))[0] == 200
        assert (await late.ask("say 3"))[0]["reason"] == "stop"
    sizes = [len(change.state.shed) for change in changes]
    top = sizes.index(max(sizes))
    assert all(before < after for before, after in pairwise(sizes[: top + 1]))
    assert all(before > after for before, after in pairwise(sizes[top:]))
    assert sizes[top] == len(Shed) and sizes[-1] == 0


async def test_an_engine_killed_while_it_starts_tells_nothing_about_memory(
    daemon: Running, board: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What a Python holds that only begins bounds no model: the bound of before stays."""
    engine = daemon.daemon.engine

    def bounds() -> list[str]:
        return [line for line in caplog.messages if "less than before" in line]

    def kill(kills: int) -> None:
        put(board, EVENTS, f"oom {kills}\noom_kill {kills}\n")
        assert engine.state.pid is not None
        os.kill(engine.state.pid, signal.SIGKILL)

    async def looks(count: int) -> None:
        for _ in range(count):
            facts = daemon.daemon.watch.facts
            await until(lambda facts=facts: daemon.daemon.watch.facts is not facts)

    def stop(state: EngineState) -> None:
        if state.phase is Phase.RESTARTING and state.pid is not None:
            os.kill(state.pid, signal.SIGSTOP)

    await looks(2)
    unwatch = engine.watch(stop)
    kill(1)
    await until(lambda: len(bounds()) == 1)
    unwatch()
    await looks(2)
    assert engine.state.phase is Phase.RESTARTING
    kill(2)
    await until(lambda: len(bounds()) == 2)
    await daemon.until(Phase.READY)
    first, second = bounds()
    assert first == second


async def test_who_waits_keeps_the_place(start: Start, board: Path) -> None:
    async with start(["engine.slots=1"], root=board) as daemon:
        await daemon.until(Phase.READY)
        async with page(daemon.http, daemon.url) as one, page(daemon.http, daemon.url) as two:
            first = await one.say("say 100 0.02")
            await one.piece()
            second = await two.say("say 2")
            await two.until("queued", position=1)
            put(board, TEMPERATURE, "95000\n")
            await until(lambda: Shed.NEW_ANSWERS in shed(daemon))
            await one.until("done", answer=first["answer"])
            await asyncio.sleep(0.2)
            assert daemon.daemon.scheduler.waiting == 1
            put(board, TEMPERATURE, "45000\n")
            assert (await two.until("done", answer=second["answer"]))["reason"] == "stop"


async def test_heat_takes_cores_and_every_step_has_its_sentence(
    daemon: Running, board: Path
) -> None:
    async with page(daemon.http, daemon.url) as one:
        answer = await one.say("say 400 0.02")
        await one.piece()
        put(board, TEMPERATURE, "86000\n")
        told = await guarded(one)
        assert told["code"] == "hot"
        assert told["sentence"].startswith("The Pi is at 86 °C, answering with ")
        put(board, TEMPERATURE, "50000\n")
        async with asyncio.timeout(SECONDS):
            while (await one.until("state"))["guard"] is not None:
                pass
        await one.send("stop", answer=answer["answer"])
        await one.until("done", answer=answer["answer"])
    assert daemon.daemon.watch.state.level is Level.CALM


async def test_a_quiet_time_puts_the_model_away_and_a_question_wakes_it(
    start: Start, board: Path
) -> None:
    async with start(["engine.idle_unload=0.3"], root=board) as daemon:
        await daemon.until(Phase.READY)
        async with page(daemon.http, daemon.url) as one:
            done, text = await one.ask("say 60 0.02")
            assert done["reason"] == "stop" and text.count("字") == 60, (
                "a running answer is no quiet"
            )
            await daemon.until(Phase.RESTING)
            await until(lambda: daemon.daemon.engine.state.pid is None)
            status, body = await readiness(daemon)
            assert status == 200 and body["status"] == "resting"
            done, text = await one.ask("say 3")
            assert done["reason"] == "stop" and text.count("字") == 3
            await daemon.until(Phase.RESTING)
            await one.send("typing", text="Hello, what")
            await daemon.until(Phase.READY)
            await daemon.until(Phase.RESTING)
        body = {"messages": [{"role": "user", "content": "say 2"}]}
        async with daemon.http.post(f"{daemon.url}/v1/chat/completions", json=body) as response:
            assert response.status == 200
    assert daemon.daemon.engine.state.restarts == 0
