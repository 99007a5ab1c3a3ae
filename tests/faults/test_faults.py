"""A few tries of each fault, and the harness itself. What shows something is `python -m tests.faults --full`."""

import json
from pathlib import Path

import pytest
from rich.console import Console

from tests.faults import __main__ as command
from tests.faults.fault import Fault, LeftOut, Tally, percentile
from tests.faults.ground import Ground
from tests.faults.kinds import FAULTS
from tests.faults.power_cut import CutPower
from tests.faults.show import as_json, show
from tests.faults.soak import growth


def cases() -> list[object]:
    bound, slow = pytest.mark.timeout(300), pytest.mark.slow
    return [
        pytest.param(each, id=name, marks=[bound, *[slow] * each.slow])
        for name, each in FAULTS.items()
    ]


@pytest.mark.parametrize("fault", cases())
async def test_it_holds(fault: type[Fault], starter: Path, tmp_path: Path) -> None:
    tally = Tally()
    try:
        await fault(Ground(tmp_path, starter)).inflict(tally, fault.few)
    except LeftOut as reason:
        pytest.skip(str(reason))
    assert tally.held, "\n".join(tally.problems)
    assert tally.tries >= min(fault.few, fault.full)


class Breaks(Fault):
    """It holds at every other try."""

    name, full, few, timed = "breaks", 4, 2, "nothing"

    async def inflict(self, tally: Tally, tries: int) -> None:
        for number in range(tries):
            with tally.attempt():
                tally.seconds.append(float(number))
                assert number % 2 == 0, "odd"


class NeedsMore(Breaks):
    """It cannot be done here."""

    name = "needs-more"

    async def inflict(self, tally: Tally, tries: int) -> None:
        raise LeftOut("it needs the moon")


def test_what_fails_is_counted_told_and_decides_the_exit_status(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    starter: Path,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(command, "FAULTS", {"breaks": Breaks, "needs-more": NeedsMore})
    model = f"--model={starter}"
    assert command.main(["--full", model, f"--json={tmp_path / 'told'}"]) == 1
    printed = capsys.readouterr().out
    assert "DID NOT HOLD" in printed and "odd" in printed and "it needs the moon" in printed
    broken, missing = json.loads((tmp_path / "told").read_text())["faults"]
    assert (broken["tries"], broken["failures"], broken["p95_s"]) == (4, 2, 3.0)
    assert missing == {"name": "needs-more", "left_out": "it needs the moon"}
    assert command.main(["breaks", "--tries=1", model]) == 0
    assert command.main(["needs-more", model]) == 0


def test_a_name_that_is_none_and_a_missing_model_are_told(starter: Path) -> None:
    for arguments in (["nothing"], ["--model=/none"], ["--tries=0"], ["--full", "--tries=3"]):
        with pytest.raises(SystemExit):
            command.main(arguments)


def test_every_fault_says_what_must_hold(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--list"]) == 0
    printed = capsys.readouterr().out
    for name, fault in FAULTS.items():
        assert name in printed
        assert fault.__doc__ and fault.few <= fault.full


def test_a_bound_that_is_passed_does_not_hold() -> None:
    tally = Tally(tries=1)
    tally.bound("pause", 2.0, 2.0, "s")
    assert tally.held
    tally.bound("pause", 2.1, 2.0, "s")
    assert not tally.held
    with (console := Console()).capture() as capture:
        show(console, {Breaks: tally})
    assert "2.1 s instead of 2" in capture.get()
    assert as_json({Breaks: tally})["faults"][0]["held"] is False
    assert not Tally().held


def test_what_is_lost_is_counted() -> None:
    tally = Tally(tries=1)
    tally.lose(0, "pieces")
    assert tally.held
    tally.lose(2, "pieces")
    assert (tally.lost, tally.held) == (2, False)


def test_percentiles_and_slopes_are_right() -> None:
    assert percentile([], 0.95) == 0
    assert percentile([3, 1, 2], 0.95) == 3
    assert percentile(list(range(1, 101)), 0.95) == 95
    assert growth([(0, 5.0), (1800, 6.0), (3600, 7.0)]) == pytest.approx(2.0)


async def test_a_disk_that_never_syncs_is_noticed(
    starter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CutPower, "deaf", True)
    tally = Tally()
    await CutPower(Ground(tmp_path, starter)).inflict(tally, 4)
    assert tally.lost or tally.failures, "this layer loses nothing"
