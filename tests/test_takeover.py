"""The first start: the starter answers, the default model is fetched from a hub on loopback and then takes over."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import yaml
from aiohttp import ClientSession

from bramble import takeover
from bramble.app import Daemon
from bramble.config import Config, load
from bramble.engine.client import Phase
from bramble.models import choice, transfer
from bramble.models.catalogue import find
from bramble.models.library import location, resolve
from bramble.server.listen import listen
from bramble.specs import engine_spec
from tests.daemons import DEADLINE, Running
from tests.models.hub import Hub, hub

BETTER = "better.gguf"


@pytest.fixture
def server() -> Iterator[Hub]:
    with hub() as server:
        yield server


@pytest.fixture
def house(starter: Path, server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """A folder with the starter in it, and a default that the hub has: the starter's bytes under another name."""
    monkeypatch.setattr(takeover, "AGAIN_SECONDS", (0.2,))
    monkeypatch.setattr(transfer, "BACK_OFF", (0.0,))
    folder = tmp_path / "models"
    folder.mkdir()
    location(find("starter"), folder).symlink_to(starter)
    content = starter.read_bytes()
    server.files[f"/{BETTER}"] = content
    model = {
        "title": "Better",
        "about": "For this test.",
        "licence": "Apache-2.0",
        "file": BETTER,
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "source": {"kind": "url", "url": f"{server.url}/{BETTER}"},
    }
    (folder / "catalogue.yaml").write_text(yaml.safe_dump({"models": {"better": model}}))
    settings = (
        f"state_dir={tmp_path}",
        f"models_dir={folder}",
        f"models.local_hosts=[{server.host}]",
        "models.default=better",
        "engine.context=1024",
    )
    return load(None, settings)


@asynccontextmanager
async def started(config: Config) -> AsyncGenerator[Running]:
    name = choice.chosen(config)
    spec = engine_spec(config, resolve(name, config.models_dir), name)
    with listen("127.0.0.1", 0) as listener:
        daemon = Daemon(config, spec, [listener])
        await daemon.start()
        try:
            async with ClientSession() as http:
                port = listener.getsockname()[1]
                yield Running(daemon, f"http://127.0.0.1:{port}", http)
        finally:
            await daemon.stop()


async def until(running: Running, name: str) -> None:
    """Wait until this model answers, and nothing is coming any more."""
    async with asyncio.timeout(4 * DEADLINE):
        while running.daemon.swapper.name != name or running.daemon.takeover.coming:
            await asyncio.sleep(0.02)


async def answers(running: Running) -> str:
    """Who answers a question now."""
    body = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4}
    url = f"{running.url}/v1/chat/completions"
    async with running.http.post(url, json=body) as response:
        assert response.status == 200
        return (await response.json())["model"]


async def test_the_starter_answers_until_the_default_takes_over(house: Config, server: Hub) -> None:
    server.manners.cut_after, server.manners.seconds = 1 << 16, 0.004  # about 6 s for all of it
    async with started(house) as running:
        await running.until(Phase.READY)
        assert await answers(running) == "SmolLM2 135M Instruct"
        coming = running.daemon.status.frame().coming
        assert coming is not None
        assert (coming.model, coming.stage) == ("Better", "fetching")
        server.manners.seconds = 0.0
        await until(running, "better")
        assert await answers(running) == "Better"
    assert choice.chosen(house) == "better"  # it is here: the next start begins with it
    assert choice.awaited(house) == ""


async def test_offline_the_starter_stays_and_says_so_until_the_hub_is_back(
    house: Config, server: Hub
) -> None:
    server.manners.status = 503
    async with started(house) as running:
        await running.until(Phase.READY)
        async with asyncio.timeout(DEADLINE):
            while (coming := running.daemon.status.frame().coming) is None or (
                coming.stage != "offline"
            ):
                await asyncio.sleep(0.02)
        assert coming.reason.endswith(".")
        assert await answers(running) == "SmolLM2 135M Instruct"
        server.manners.status = 200
        await until(running, "better")
        assert await answers(running) == "Better"


async def test_a_board_that_is_too_small_fetches_nothing(
    house: Config, server: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(takeover, "fits", lambda size, memory: False)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    async with started(house) as running:
        await running.until(Phase.READY)
        assert running.daemon.status.frame().coming is None
    assert server.asked == []


@pytest.mark.parametrize("settings", [["engine.model=starter"], ["models.default=none"]])
def test_who_wants_the_starter_keeps_it(house: Config, settings: list[str]) -> None:
    config = load(
        None, [f"state_dir={house.state_dir}", f"models_dir={house.models_dir}", *settings]
    )
    assert choice.chosen(config) == "starter"
    assert choice.awaited(config) == ""


def test_who_chose_a_model_is_not_overruled(house: Config) -> None:
    assert choice.awaited(house) == "better"
    choice.remember(house, "starter")
    assert choice.awaited(house) == ""
