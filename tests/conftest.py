"""What every test may ask for: the starter model, a daemon with the fake engine, a daemon with the real one."""

import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import pytest
from hypothesis import settings

from bramble.config import Config
from bramble.models.catalogue import find
from bramble.models.library import is_present, location
from tests.daemons import Live, Running, free_port, running

# A timed example fails on a busy machine; what takes too long fails by pytest's own timeout.
settings.register_profile("bramble", deadline=None)
settings.load_profile("bramble")

# A shell's background job ignores Ctrl-C, and children inherit that: here they are to notice it all the same.
signal.signal(signal.SIGINT, signal.default_int_handler)

Start = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture(scope="session")
def starter() -> Path:
    """The real tiny model."""
    model, folder = find("starter"), Config().models_dir
    if not is_present(model, folder):
        pytest.fail(f"{location(model, folder)} is missing: run `bramble models fetch starter`")
    return location(model, folder)


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Starts daemons with the fake engine: `async with start(settings, engine) as daemon`."""
    return partial(running, tmp_path)


@pytest.fixture
async def daemon(start: Start) -> AsyncIterator[Running]:
    """A daemon with the fake engine and the default settings."""
    async with start() as daemon:
        yield daemon


@pytest.fixture(scope="session")
def live(starter: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """`bramble serve` with the real model, for the whole run."""
    second = free_port()
    settings = [
        f"engine.model={starter}",
        "chat.max_tokens=200",
        f"server.ollama_port={second}",
    ]
    live = Live(tmp_path_factory.mktemp("live"), *settings)
    live.ollama_url = f"http://127.0.0.1:{second}"
    yield live
    live.end()
    assert live.process.returncode == 0
