"""Downloads beside everything else: whoever waits for an end hears of it, whenever it comes."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from bramble.config import load
from bramble.errors import ModelUnavailable
from bramble.models import fetches
from bramble.models.fetches import Fetches
from tests.daemons import DEADLINE
from tests.models.hub import hub


class AtOnce:
    """A thread that has ended before its starter goes on, as one may."""

    def __init__(self, *, target: Callable[[], None], name: str, daemon: bool) -> None:
        self._thread = threading.Thread(target=target, name=name, daemon=daemon)

    def start(self) -> None:
        self._thread.start()
        self._thread.join()


async def test_an_end_that_comes_at_once_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetches, "threading", SimpleNamespace(Thread=AtOnce))
    with hub() as server:
        server.manners.status = 404
        settings = (f"models_dir={tmp_path}", f"models.local_hosts=[{server.host}]")
        all_of_them = Fetches(load(None, settings))
        fetch = all_of_them.start(f"{server.url}/none.gguf")
        with pytest.raises(ModelUnavailable):
            async with asyncio.timeout(DEADLINE):
                await all_of_them.end(fetch)
        await all_of_them.close()
