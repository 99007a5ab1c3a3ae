"""A board that heats up and cools while a real engine streams: the trace is replayed into the file of its sensor."""

import asyncio
import os
import random
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
from aiohttp import ClientSession

from bramble.app import Daemon
from bramble.board import cooling, guard, patience, watch, words
from bramble.config import load
from bramble.engine.client import Phase
from bramble.server.listen import listen
from bramble.specs import engine_spec
from tests.board.boards import copy, put
from tests.daemons import SOMEBODY, Running
from tests.page import Frame, Page, page

TEMPERATURE = "sys/class/thermal/thermal_zone0/temp"
TRACE_SECONDS = 300.0
COOL, HOTTEST, NOISE = 60.0, 86.0, 1.5
PACED = {
    guard: ["SETTLE"],
    cooling: ["STEP", "FAST_STEP", "OVERHEATED", "QUIET"],
    patience: ["QUICK"],
    watch: ["TICK"],
}
"""All times of the guards, which the short form divides like the trace."""
GAP = 3.0
"""Seconds between two pieces of an answer, at most: the machine of the tests is often busy."""


class Step(NamedTuple):
    """What a page was told of the guards, at what temperature; no code when all is well again."""

    celsius: float
    code: str | None
    sentence: str
    threads: int


class Board:
    """The sensor's file and the trace."""

    def __init__(self, root: Path, speed: float) -> None:
        self._root, self._speed = root, speed
        self._dice = random.Random(7)
        self.celsius = COOL
        self.show()

    def show(self) -> None:
        """The sensor's next value, there at once and never half."""
        value = self.celsius + self._dice.uniform(-NOISE, NOISE)
        put(self._root, f"{TEMPERATURE}.new", f"{value * 1000:.0f}\n")
        (self._root / f"{TEMPERATURE}.new").rename(self._root / TEMPERATURE)

    async def replay(self) -> None:
        """Up and down within the trace's time."""
        began = time.monotonic()
        while (at := (time.monotonic() - began) * self._speed) < TRACE_SECONDS:
            half = TRACE_SECONDS / 2
            self.celsius = HOTTEST - (HOTTEST - COOL) * abs(at - half) / half
            self.show()
            await asyncio.sleep(0.5 / self._speed)
        self.celsius = COOL
        self.show()


@asynccontextmanager
async def real(model: Path, state_dir: Path, root: Path) -> AsyncGenerator[Running]:
    """A daemon in this process with the real engine, on the board below `root`."""
    settings = [f"engine.model={model}", f"state_dir={state_dir}", "chat.max_tokens=300"]
    config = load(None, settings)
    with listen("127.0.0.1", 0) as listener:
        daemon = Daemon(config, engine_spec(config, model), [listener], root)
        await daemon.start()
        try:
            async with ClientSession(headers=SOMEBODY) as http:
                port = listener.getsockname()[1]
                yield Running(daemon, f"http://127.0.0.1:{port}", http)
        finally:
            await daemon.stop()


async def stream(one: Page, pieces: list[float]) -> None:
    """One answer after another, for ever; when each piece came."""
    while True:
        said = await one.say("Tell me a long story about a lighthouse.")
        while True:
            frame = await one.receive()
            if frame["type"] == "piece":
                pieces.append(time.monotonic())
            assert frame["type"] != "error", frame
            if frame["type"] == "done":
                assert frame["reason"] in ("stop", "length")
                assert one.text(said["answer"])
                break


async def observe(one: Page, board: Board, cores: int, steps: list[Step]) -> None:
    """Whatever a page is told of the guards, once each."""
    last: Frame | None = None
    async for message in one.socket:
        frame: Frame = message.json()
        if frame["type"] == "state" and frame["guard"] != last:
            last = frame["guard"]
            if last is None:
                steps.append(Step(board.celsius, None, "", cores))
            else:
                threads = last["params"]["threads"]
                assert last["sentence"] == words.sentence(last["code"], last["params"])
                steps.append(Step(board.celsius, last["code"], last["sentence"], threads))


@pytest.mark.parametrize(
    "speed", [25.0, pytest.param(1.0, marks=[pytest.mark.slow, pytest.mark.timeout(900)])]
)
async def test_up_to_86_degrees_and_back_while_it_streams(
    speed: float, starter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if (cores := len(os.sched_getaffinity(0))) < 2:
        pytest.skip("NO HEAT WAS TESTED: one core cannot do with less")
    for rules, names in PACED.items():
        for name in names:
            monkeypatch.setattr(rules, name, getattr(rules, name) / speed)
    root = copy("pi5", tmp_path)
    board, steps, pieces = Board(root, speed), list[Step](), list[float]()
    async with real(starter, tmp_path, root) as daemon:
        await daemon.until(Phase.READY)
        async with page(daemon.http, daemon.url) as one, page(daemon.http, daemon.url) as two:
            tasks = [
                asyncio.create_task(stream(one, pieces)),
                asyncio.create_task(observe(two, board, cores, steps)),
            ]
            await board.replay()
            async with asyncio.timeout(60):
                while not steps or steps[-1].code is not None:
                    await asyncio.sleep(0.05)
            for task in tasks:
                assert not task.done(), task
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    threads = [step.threads for step in steps]
    lowest = threads.index(min(threads))
    assert threads[: lowest + 1] == sorted(threads[: lowest + 1], reverse=True)
    assert threads[lowest:] == sorted(threads[lowest:]), "never back and forth"
    assert min(threads) < cores == threads[-1]
    assert steps[0].code == "hot" and steps[0].celsius >= 80 - 2 * NOISE
    assert steps[-1].celsius < 75 + NOISE, "given back only where it is cool"
    assert all(step.sentence for step in steps[:-1])
    longest = max(after - before for before, after in pairwise(pieces))
    assert longest < GAP
    print(f"\n{len(pieces)} pieces, at most {longest * 1000:.0f} ms apart")
    for step in steps:
        print(f"{step.celsius:5.1f} °C, {step.threads} of {cores}: {step.sentence or 'well again'}")
