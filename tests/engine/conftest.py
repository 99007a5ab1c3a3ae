"""One real engine with the starter model for the whole run."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.rig import Rig


@pytest.fixture(scope="session")
def rig(starter: Path) -> Iterator[Rig]:
    rig = Rig(starter)
    yield rig
    assert rig.close() == 0
