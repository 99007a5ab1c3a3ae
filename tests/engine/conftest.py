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


@pytest.fixture(scope="module")
def own(starter: Path) -> Iterator[Rig]:
    """An engine of a file's own, for long prompts that would leave no room for what others keep."""
    rig = Rig(starter)
    yield rig
    assert rig.close() == 0
