"""The supervisor against engines that die, hang or talk nonsense: told in words, started again, PID kept."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from bramble.engine import pulse, wire
from bramble.engine import supervisor as rules
from bramble.engine.client import Engine, EngineSpec, EngineState, Phase
from bramble.errors import EngineLost, ModelUnavailable

TURNS = (wire.Turn("user", "Tell me a very long story about a lighthouse."),)


async def until(engine: Engine, fits: Callable[[EngineState], bool], seconds: float = 30) -> None:
    """Wait until the engine's state fits."""
    async with asyncio.timeout(seconds):
        while not fits(engine.state):
            await asyncio.sleep(0.01)


async def collect(engine: Engine, tokens: int = 400, began: asyncio.Event | None = None) -> str:
    """One answer's text; `began` is set at its first piece."""
    text = ""
    async for event in engine.generate(TURNS, max_tokens=tokens):
        if isinstance(event, wire.Piece):
            text += event.text
            if began is not None:
                began.set()
    return text


def spec(model: Path, command: tuple[str, ...] | None = None) -> EngineSpec:
    load = wire.Load(str(model), 1024, 2, 0, 256, 250, name="Starter")
    return EngineSpec(load, 10000, command) if command else EngineSpec(load, 10000)


def script(body: str) -> tuple[str, ...]:
    """An engine in a few lines, for what a model cannot do on demand."""
    prelude = (
        "import socket, sys, time, os; from bramble.engine import framing, wire;"
        "s = socket.socket(fileno=int(sys.argv[1]));"
        "ready = wire.Ready('x', 'x', 1, 1, 64, 64, 1, 1, 0.1, 'model');"
        "s.recv(65536);\n"
    )
    return (sys.executable, "-c", prelude + body)


@pytest.fixture
async def engine(starter: Path) -> AsyncIterator[Engine]:
    engine = Engine(spec(starter))
    await engine.start()
    await until(engine, lambda state: state.phase is Phase.READY)
    yield engine
    await engine.stop(5)
    assert engine.state.phase is Phase.STOPPED


async def test_after_kill_9_a_new_engine_goes_on_with_every_answer(engine: Engine) -> None:
    began = [asyncio.Event(), asyncio.Event()]
    answers = [asyncio.create_task(collect(engine, 100, event)) for event in began]
    for event in began:
        await asyncio.wait_for(event.wait(), 30)
    pid = engine.state.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert all([len(await answer) > 100 for answer in answers])
    assert engine.state.pid not in (None, pid)
    assert engine.state.restarts == 1
    assert await collect(engine, tokens=4)


async def test_a_file_that_is_cut_while_it_is_read_is_told(starter: Path, tmp_path: Path) -> None:
    model = Path(shutil.copy(starter, tmp_path))
    engine, told = Engine(spec(model)), list[EngineState]()
    engine.watch(told.append)
    await engine.start()
    await until(engine, lambda state: state.phase is Phase.READY)
    os.truncate(model, model.stat().st_size // 2)
    answer = asyncio.create_task(collect(engine))
    await until(engine, lambda state: state.phase is Phase.FAILED)
    with pytest.raises(ModelUnavailable, match="cannot be used"):
        await answer
    assert "The model's file was changed" in " ".join(state.reason for state in told)
    await engine.stop(5)


async def test_a_hung_engine_is_noticed_and_replaced(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse, "SILENCE_RUNNING", 2.0)
    pid = engine.state.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    assert len(await collect(engine, 40)) > 40
    assert engine.state.pid != pid


async def test_an_engine_that_has_only_just_begun_goes_before_the_daemon(tmp_path: Path) -> None:
    engine = Engine(spec(tmp_path, (sys.executable, "-c", "import time; time.sleep(60)")))
    await engine.start()
    try:
        await until(engine, lambda state: state.pid is not None)
        assert Path(f"/proc/{engine.state.pid}/oom_score_adj").read_text().strip() == "900"
    finally:
        await engine.stop(0.1)


async def test_an_answer_over_which_the_engine_always_dies_is_given_up(tmp_path: Path) -> None:
    body = (
        "s.sendall(framing.frame(ready))\nwhile b'Generate' not in s.recv(65536): pass\nos.abort()"
    )
    engine = Engine(spec(tmp_path, script(body)))
    await engine.start()
    try:
        await until(engine, lambda state: state.phase is Phase.READY)
        with pytest.raises(EngineLost, match="3 times over this answer"):
            await collect(engine)
        await until(engine, lambda state: state.phase is Phase.READY)
    finally:
        await engine.stop(1)


async def test_a_stop_ends_answers_that_wait_for_the_engine(tmp_path: Path) -> None:
    body = (
        "s.sendall(framing.frame(ready))\nwhile b'Generate' not in s.recv(65536): pass\nos.abort()"
    )
    engine = Engine(spec(tmp_path, script(body)))
    await engine.start()
    await until(engine, lambda state: state.phase is Phase.READY)
    answer = asyncio.create_task(collect(engine))
    await until(engine, lambda state: state.restarts >= 2)
    await engine.stop(1)
    with pytest.raises((EngineLost, ModelUnavailable), match="shutting down"):
        await asyncio.wait_for(answer, 5)


async def test_closing_the_iterator_cancels(engine: Engine) -> None:
    answer = engine.generate(TURNS, max_tokens=900)
    async for event in answer:
        if isinstance(event, wire.Piece):
            break
    await answer.aclose()
    began = asyncio.get_running_loop().time()
    assert await collect(engine, tokens=2)
    assert await collect(engine, tokens=2)
    assert asyncio.get_running_loop().time() - began < 10


async def test_the_engine_dies_with_its_daemon(starter: Path, tmp_path: Path) -> None:
    code = (
        "import asyncio, sys, pathlib\n"
        "from tests.engine.test_supervisor import *\n"
        "async def main():\n"
        "    engine = Engine(spec(pathlib.Path(sys.argv[1])))\n"
        "    await engine.start()\n"
        "    await until(engine, lambda state: state.phase is Phase.READY)\n"
        "    print(engine.state.pid, flush=True)\n"
        "    await collect(engine, 900)\n"
        "asyncio.run(main())\n"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    daemon = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, str(starter), stdout=asyncio.subprocess.PIPE, env=env
    )
    assert daemon.stdout is not None
    pid = int(await asyncio.wait_for(daemon.stdout.readline(), 60))
    daemon.kill()
    await daemon.wait()
    async with asyncio.timeout(10):
        while Path(f"/proc/{pid}/stat").exists():
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("s.sendall(framing.frame(ready) + b'\\xff' * 64); time.sleep(60)", "SIGKILL"),
        ("s.sendall(framing.frame(ready)[:-3]); s.close(); time.sleep(60)", "SIGKILL"),
        ("s.sendall(framing.frame(ready)); os._exit(3)", "exit status 3"),
        ("print('GGML_ASSERT failed', file=sys.stderr); os.abort()", "SIGABRT"),
    ],
)
async def test_engines_that_misbehave_are_replaced(body: str, why: str, tmp_path: Path) -> None:
    engine = Engine(spec(tmp_path, script(body)))
    reasons: list[str] = []
    engine.watch(lambda state: reasons.append(state.reason))
    await engine.start()
    try:
        await until(engine, lambda state: state.restarts >= 2)
        assert any(why in reason for reason in reasons)
    finally:
        await engine.stop(1)


async def test_a_model_that_kills_the_engine_at_every_load_is_given_up_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "BACK_OFF", (0.0,))
    engine = Engine(
        spec(tmp_path, script("print('GGML_ASSERT(n > 0) failed', file=sys.stderr); os.abort()"))
    )
    await engine.start()
    try:
        with pytest.raises(ModelUnavailable, match="GGML_ASSERT"):
            await asyncio.wait_for(engine.ready(), 30)
        assert "GGML_ASSERT(n > 0) failed" in engine.last_words
    finally:
        await engine.stop(1)


async def test_a_release_for_another_processor_is_said_to_be_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "BACK_OFF", (0.0,))
    engine = Engine(spec(tmp_path, script("os.kill(os.getpid(), 4)")))
    await engine.start()
    try:
        with pytest.raises(ModelUnavailable, match="another kind of processor"):
            await asyncio.wait_for(engine.ready(), 30)
        assert "--portable" in engine.state.hint
    finally:
        await engine.stop(1)


async def test_an_unusable_model_is_not_tried_again(tmp_path: Path) -> None:
    engine = Engine(spec(tmp_path / "absent.gguf"))
    await engine.start()
    with pytest.raises(ModelUnavailable, match="No such file"):
        await asyncio.wait_for(engine.ready(), 30)
    assert engine.state.hint
    assert engine.state.restarts == 0
    await engine.stop(1)


async def test_an_engine_that_ignores_shutdown_is_ended_anyway(tmp_path: Path) -> None:
    stubborn = "s.sendall(framing.frame(ready)); [s.recv(999) for _ in range(999)]; time.sleep(60)"
    engine = Engine(spec(tmp_path, script(stubborn)))
    await engine.start()
    await until(engine, lambda state: state.phase is Phase.READY)
    pid = engine.state.pid
    await asyncio.wait_for(engine.stop(0.5), 5)
    assert not Path(f"/proc/{pid}/stat").exists()
