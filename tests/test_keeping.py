"""`bramble backup` and `bramble restore` beside a running daemon, and how little a daemon writes to its disk."""

import asyncio
import statistics
from pathlib import Path

import pytest
from aiohttp import ClientSession

from bramble import control
from bramble.chat.copies import NoCopy
from bramble.cli import main
from bramble.config import load
from bramble.keeping import backup, restore
from tests.conftest import Start
from tests.daemons import SOMEBODY, Live
from tests.page import page

KIB = 1024


async def test_a_backup_is_restored_while_people_chat(start: Start, tmp_path: Path) -> None:
    config, copy = load(None, [f"state_dir={tmp_path}"]), tmp_path / "copy"
    async with (
        start() as daemon,
        page(daemon.http, daemon.url) as one,
        page(daemon.http, daemon.url) as other,
    ):
        await one.ask("say 1")
        kept = next(frame for frame in one.frames if frame["type"] == "said")["conversation"]
        await asyncio.to_thread(backup, config, copy)
        await other.send("conversations")
        await other.until("listed")
        later = await one.say("slow 10000 0.01")
        await one.piece()
        await asyncio.to_thread(restore, config, copy)
        await one.until("done", answer=later["answer"], reason="stopped")
        await one.until("deleted", conversation=later["conversation"])
        (listed,) = (await other.until("listed"))["conversations"]
        assert listed["conversation"] == kept
        await one.ask("say 2", kept)
        assert len((await one.open(kept))["messages"]) == 4
        assert (tmp_path / control.NAME).stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / control.NAME).exists()


async def test_junk_leaves_the_daemon_as_it_is(start: Start, tmp_path: Path) -> None:
    config, junk = load(None, [f"state_dir={tmp_path}"]), tmp_path / "junk"
    junk.write_text("no copy " * 999)
    async with start() as daemon, page(daemon.http, daemon.url) as one:
        await one.ask("say 1")
        with pytest.raises(NoCopy, match="no copy of conversations"):
            await asyncio.to_thread(restore, config, junk)
        await one.ask("say 1")
        assert [each.name for each in tmp_path.glob("*restoring*")] == []


def test_without_a_daemon_it_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = f"--set=state_dir={tmp_path / 'state'}"
    assert main(["backup", state, str(tmp_path / "copy")]) == 1
    assert "There is no" in capsys.readouterr().err
    assert main(["restore", state, str(tmp_path / "copy")]) == 1
    assert "There is no file" in capsys.readouterr().err


async def test_a_damaged_file_is_told_to_pages_and_by_the_doctor(
    start: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bramble.sqlite").write_text("no database " * 999)
    async with start() as daemon, page(daemon.http, daemon.url) as one:
        notice = one.frames[-1]["store"]
        assert notice["code"] == "damaged"
        assert notice["params"]["messages"] == 0
        assert (tmp_path / notice["params"]["file"]).exists()
        await one.ask("say 1")
    main(["doctor", f"--set=state_dir={tmp_path}"])
    assert notice["params"]["file"][:20] in capsys.readouterr().out


@pytest.mark.timeout(240)
async def test_a_turn_and_an_idle_daemon_write_little(starter: Path, tmp_path: Path) -> None:
    """A turn at most 64 KiB, in the middle of several; idle at most 20 MB a day, from ten seconds."""
    settings = [f"engine.model={starter}", "chat.max_tokens=120", "log_level=warning"]
    live = Live(tmp_path / "state", *settings)
    try:
        async with ClientSession(headers=SOMEBODY) as http, page(http, live.url) as one:
            await one.state(phase="ready")
            costs: list[int] = []
            conversation = None
            for n in range(7):
                before = written(live)
                said = await one.say(f"Tell me {n} things about the sea.", conversation)
                conversation = said["conversation"]
                await one.until("done", answer=said["answer"])
                costs.append(written(live) - before)
            before = written(live)
            await asyncio.sleep(10)  # what is measured is that nothing happens
            idle = written(live) - before
    finally:
        live.end()
    print(
        f"a turn: {statistics.median(costs) / KIB:.0f} KiB, most {max(costs) / KIB:.0f}; idle: {idle} B"
    )
    assert statistics.median(costs) <= 64 * KIB
    assert idle * 8640 <= 20_000_000


def written(live: Live) -> int:
    """Bytes that the daemon sent to the disk."""
    fields = Path(f"/proc/{live.process.pid}/io").read_text().split()
    return int(fields[fields.index("write_bytes:") + 1])
