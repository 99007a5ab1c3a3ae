"""What every test of updates may ask for."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bramble.config import Config, load
from bramble.updates import command
from bramble.updates.command import Update
from tests.updates.appliance import Appliance
from tests.updates.packs import Keys


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return load(None, [f"state_dir={tmp_path / 'state'}", "models.local_hosts=[127.0.0.1]"])


@pytest.fixture
def appliance(
    tmp_path: Path, config: Config, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Appliance]:
    appliance = Appliance(tmp_path / "machine", config.state_dir)
    monkeypatch.setenv("PATH", str(appliance.tools), prepend=":")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(command, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(command, "READY_SECONDS", 0.3)
    yield appliance
    appliance.close()


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path)


@pytest.fixture
def update(config: Config, appliance: Appliance) -> Update:
    return Update(config, appliance.root, appliance.units)
