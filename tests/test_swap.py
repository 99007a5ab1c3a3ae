"""Another model while people are being answered: real models, real engines, nobody's answer lost."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from aiohttp import ClientSession

from bramble.app import Daemon
from bramble.config import load
from bramble.engine.client import EngineSpec, Phase
from bramble.errors import BadRequest, ModelUnavailable, NotFound
from bramble.models import choice
from bramble.server.listen import listen
from bramble.specs import engine_spec
from bramble.swap import Plans
from tests.daemons import Running

STREAMS = 4
QWEN = Path("/root/models/Qwen2.5-Coder-0.5B-Instruct.Q4_0.gguf")
LARGER = Path(os.environ.get("BRAMBLE_LARGER_MODEL", QWEN))


@asynccontextmanager
async def real(state_dir: Path, model: Path, *settings: str) -> AsyncGenerator[Running, None]:
    """A daemon in this process, with an engine that computes."""
    options = [f"state_dir={state_dir}", f"engine.model={model}", "engine.context=2048", *settings]
    config = load(None, options)
    with listen("127.0.0.1", 0) as listener:
        daemon = Daemon(config, engine_spec(config, model), [listener])
        await daemon.start()
        try:
            async with ClientSession() as http:
                port = listener.getsockname()[1]
                running = Running(daemon, f"http://127.0.0.1:{port}", http)
                await running.until(Phase.READY)
                yield running
        finally:
            await daemon.stop()


@pytest.fixture
def twin(starter: Path, tmp_path: Path) -> Path:
    """The starter under another name."""
    other = tmp_path / "twin.gguf"
    other.symlink_to(starter)
    return other


class Streams:
    """People who ask again and again; `whole` are answers that came to their end, `broken` what others came to."""

    def __init__(self, daemon: Running, tokens: int) -> None:
        self._daemon, self._tokens = daemon, tokens
        self.whole: list[str] = []
        self.broken: list[str] = []
        self._enough = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Streams":
        self._tasks = [asyncio.create_task(self._ask(n)) for n in range(STREAMS)]
        await self.more(STREAMS)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._enough.set()
        await asyncio.gather(*self._tasks)

    async def more(self, count: int) -> None:
        """Wait until so many more are whole."""
        goal = len(self.whole) + count
        async with asyncio.timeout(100):
            while len(self.whole) < goal and not self.broken:
                await asyncio.sleep(0.01)

    async def _ask(self, n: int) -> None:
        while not self._enough.is_set():
            try:
                self.whole.append(await self._answer(n))
            except Exception as error:
                self.broken.append(repr(error))

    async def _answer(self, n: int) -> str:
        """One answer; returns who gave it. Raises where it is not whole."""
        body = {
            "messages": [{"role": "user", "content": f"Tell me story number {n}."}],
            "max_tokens": self._tokens,
            "stream": True,
        }
        url = f"{self._daemon.url}/v1/chat/completions"
        text, reason, model = "", None, ""
        async with self._daemon.http.post(url, json=body) as response:
            assert response.status == 200, await response.text()
            async for line in response.content:
                if not line.startswith(b"data: {"):
                    continue
                chunk = json.loads(line.removeprefix(b"data: "))
                assert "error" not in chunk, chunk
                model = chunk["model"]
                text += chunk["choices"][0]["delta"].get("content") or ""
                reason = chunk["choices"][0]["finish_reason"] or reason
        assert text
        assert reason in ("stop", "length")
        return model


def short_of_memory(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plans are as if both models together were too much."""
    swapper = daemon.swapper
    plan: Callable[[EngineSpec], Plans] = swapper._plan  # pyright: ignore[reportPrivateUsage]

    def planned(spec: EngineSpec) -> Plans:
        plans = plan(spec)
        plans.beside = msgspec.structs.replace(plans.beside, fits=False)
        return plans

    monkeypatch.setattr(swapper, "_plan", planned)


@pytest.mark.parametrize("beside", [True, False])
async def test_swapping_under_four_streams_loses_no_answer(
    starter: Path, twin: Path, tmp_path: Path, beside: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with real(tmp_path, starter) as running:
        daemon = running.daemon
        if not beside:
            short_of_memory(daemon, monkeypatch)
        async with Streams(running, tokens=24) as streams:
            for model in (twin, starter, twin):
                before = daemon.engine.pids
                await daemon.swapper.activate(str(model))
                assert daemon.swapper.last is not None
                assert daemon.swapper.last.stage == "done"
                assert daemon.engine.state.pid not in before
                await streams.more(2 * STREAMS)
        assert streams.broken == []
        assert daemon.swapper.name == str(twin)
        async with asyncio.timeout(20):
            while len(daemon.engine.pids) > 1:  # the old ones are gone
                await asyncio.sleep(0.01)


@pytest.mark.slow
@pytest.mark.timeout(1200)
async def test_twenty_swaps_between_two_models_under_four_streams(
    starter: Path, tmp_path: Path
) -> None:
    if not LARGER.is_file():
        pytest.skip(f"{LARGER} is missing; $BRAMBLE_LARGER_MODEL names another")
    async with real(tmp_path, starter) as running:
        swapper = running.daemon.swapper
        async with Streams(running, tokens=48) as streams:
            for n in range(20):
                await swapper.activate(str(starter if n % 2 else LARGER))
                await streams.more(STREAMS)
        assert streams.broken == []
        assert len(set(streams.whole)) == 2
        print(f"{len(streams.whole)} answers, 0 lost, 20 swaps")


async def test_a_model_that_fails_leaves_the_old_one_and_says_why(
    starter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(starter.read_bytes()[:50_000_000])
    page = tmp_path / "page.gguf"
    page.write_text("<html>")
    async with real(tmp_path, starter) as running:
        swapper, engine = running.daemon.swapper, running.daemon.engine
        pid = engine.state.pid
        async with Streams(running, tokens=16) as streams:
            with pytest.raises(NotFound):
                await swapper.activate("no-such-model")
            for model in (page, damaged):
                with pytest.raises(ModelUnavailable) as refused:
                    await swapper.activate(str(model))
                assert refused.value.message
                assert swapper.last is not None
                assert (swapper.last.stage, swapper.last.reason) == (
                    "failed",
                    refused.value.message,
                )
            await streams.more(STREAMS)
        assert streams.broken == []
        assert engine.state.pid == pid
        assert swapper.name == str(starter)
        assert running.daemon.status.frame().coming is not None


async def test_a_model_that_fails_after_the_old_one_left_brings_that_back(
    starter: Path, twin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with real(tmp_path, starter) as running:
        daemon = running.daemon
        short_of_memory(daemon, monkeypatch)
        spec = daemon.engine.spec
        cannot = msgspec.structs.replace(spec.load, model=str(tmp_path / "gone.gguf"))
        broken = msgspec.structs.replace(spec, load=cannot)

        async def replace() -> None:
            await daemon.engine.quiet()
            daemon.scheduler.pause()
            try:
                await daemon.engine.replace(broken)
            finally:
                daemon.scheduler.go_on()

        with pytest.raises(ModelUnavailable):
            await replace()
        async with Streams(running, tokens=8) as streams:
            await streams.more(STREAMS)
        assert streams.broken == []
        assert daemon.engine.spec == spec
        assert len(daemon.engine.pids) == 1


async def test_a_choice_at_the_terminal_reaches_a_running_daemon(
    starter: Path, twin: Path, tmp_path: Path
) -> None:
    async with real(tmp_path, starter) as running:
        swapper = running.daemon.swapper
        options = [f"--set=state_dir={tmp_path}", f"--set=engine.model={starter}"]
        command = [sys.executable, "-m", "bramble", "models", "use", str(twin), *options]
        process = await asyncio.create_subprocess_exec(*command)
        assert await process.wait() == 0
        async with asyncio.timeout(40):
            while swapper.name == str(starter):
                await asyncio.sleep(0.02)
        assert swapper.name == str(twin)


async def test_one_change_at_a_time(starter: Path, twin: Path, tmp_path: Path) -> None:
    async with real(tmp_path, starter) as running:
        first = asyncio.create_task(running.daemon.swapper.activate(str(twin)))
        await asyncio.sleep(0)
        with pytest.raises(BadRequest):
            await running.daemon.swapper.activate(str(twin))
        await first


def test_the_choice_outlives_the_daemon_until_the_settings_change(
    starter: Path, twin: Path, tmp_path: Path
) -> None:
    config = load(None, [f"state_dir={tmp_path}", f"engine.model={starter}"])
    assert choice.chosen(config) == str(starter)
    choice.remember(config, str(twin))
    assert choice.chosen(config) == str(twin)
    other = load(None, [f"state_dir={tmp_path}", "engine.model=starter"])
    assert choice.chosen(other) == "starter"
    twin.unlink()
    assert choice.chosen(config) == str(starter)  # what is gone does not count
