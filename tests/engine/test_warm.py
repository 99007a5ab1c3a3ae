"""What is computed before anybody asks, and that a slow board gives signs of life meanwhile."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bramble.engine.batch import SMALLEST, Pace
from bramble.engine.context import Context
from bramble.engine.llama import Model
from bramble.engine.warm import WARM_ROWS, warm_up
from tests.engine import tiny


class Board(Context):
    """A real context on a board where each row takes `seconds` more."""

    seconds = 0.0
    steps: list[int]

    def decode(self) -> bool:
        self.steps.append(self.rows)
        time.sleep(self.rows * self.seconds)
        return super().decode()


@pytest.fixture
def model(tmp_path: Path) -> Iterator[Model]:
    file = tmp_path / "tiny.gguf"
    tiny.llama(file)
    model = Model(file, mmap=True, progress=lambda _: None)
    yield model
    model.close()


@pytest.mark.parametrize(
    ("seconds", "steps"), [(0.0, [1, SMALLEST, WARM_ROWS, 1]), (0.15, [1, SMALLEST, 1])]
)
def test_a_slow_board_computes_less_and_tells_after_each_step(
    model: Model, seconds: float, steps: list[int]
) -> None:
    board = Board(model, size=256, slots=1, batch=64, threads=1)
    board.seconds, board.steps = seconds, []
    told: list[float] = []
    pace = Pace(rows_max=64, max_step_ms=250)
    trims, slowest = warm_up(board, model, pace, told.append)
    board.close()
    assert trims
    assert board.steps == steps
    assert len(told) == len(steps)
    assert slowest >= max(steps) * seconds * 1000
    assert pace.row_ms >= seconds * 1000
