"""The store: what it acknowledged is on disk, and a file it cannot use is told in words."""

import asyncio
import signal
import sqlite3
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bramble.chat.records import Status
from bramble.chat.store import CannotOpen, DiskFull, Store
from bramble.errors import NotFound


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "new" / "store.sqlite"


@pytest.fixture
async def store(file: Path) -> AsyncIterator[Store]:
    store = Store(file)
    await store.open()
    yield store
    await store.close()


async def test_what_is_said_gets_a_reply_to_write(store: Store) -> None:
    first = await store.say("me", None, "a", "Hello 你好 \0 👋")
    await store.write(first.reply, "Hi", "whole")
    second = await store.say("me", first.conversation, "b", "More")
    messages = await store.messages("me", first.conversation)
    assert [(each.role, each.text, each.status) for each in messages] == [
        ("user", "Hello 你好 \0 👋", "whole"),
        ("assistant", "Hi", "whole"),
        ("user", "More", "whole"),
        ("assistant", "", "writing"),
    ]
    assert [each.id for each in messages] == [
        first.message,
        first.reply,
        second.message,
        second.reply,
    ]


async def test_a_ref_finds_its_message_and_reply(store: Store) -> None:
    one = await store.say("me", None, "a", "One")
    await store.say("me", one.conversation, "b", "Two")
    assert await store.find("me", "a") == one
    assert await store.find("me", "c") is None


async def test_conversations_cannot_be_guessed(store: Store) -> None:
    ids = {(await store.say("me", None, f"{n}", "Hi")).conversation for n in range(20)}
    assert len(ids) == 20
    assert min(map(len, ids)) >= 22  # 128 bits in base64


@pytest.mark.parametrize("id", ["", "x", "' OR 1=1 --"])
async def test_an_unknown_conversation_is_not_found(store: Store, id: str) -> None:
    with pytest.raises(NotFound):
        await store.messages("me", id)
    with pytest.raises(NotFound):
        await store.say("me", id, "a", "Hi")
    assert await store.find("me", "a") is None


async def test_power_loss_keeps_what_was_acknowledged(file: Path) -> None:
    """A process says two things, and dies by kill -9 right after the acknowledgement."""
    script = f"""
import asyncio, os, signal
from pathlib import Path
from bramble.chat.records import Status
from bramble.chat import parts
from bramble.chat.parts import Part
from bramble.chat.store import Store
async def main():
    store = Store(Path({str(file)!r}))
    await store.open()
    said = await store.say("me", None, "a", "Remember this")
    for text in ("I am ", "remem"):
        await store.note(lambda database: parts.add(database, said.reply, Part(text, (1,), "m")))
    print(said.conversation, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""
    dead = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=PIPE)
    said, _ = await dead.communicate()
    assert dead.returncode == -signal.SIGKILL
    store = Store(file)
    await store.open()
    messages = await store.messages("me", said.decode().strip())
    assert [(each.text, each.status) for each in messages] == [
        ("Remember this", "whole"),
        ("I am remem", "interrupted"),
    ]
    await store.close()


async def test_nobody_else_on_the_machine_reads_it(store: Store, file: Path) -> None:
    await store.say("me", None, "a", "Private")
    for each in (file.parent, *file.parent.iterdir()):
        assert each.stat().st_mode & 0o077 == 0


async def test_a_newer_file_is_refused(file: Path, store: Store) -> None:
    with sqlite3.connect(file) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(CannotOpen, match="newer Bramble"):
        await Store(file).open()


async def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(CannotOpen, match="cannot be opened"):
        await Store(tmp_path / "state" / "store.sqlite").open()


async def test_a_clock_that_is_set_back_changes_no_order(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([3e9, 3e9, 3e9, 1e9, 1e9, 1e9, 2e9, 2e9, 2e9])
    monkeypatch.setattr("bramble.chat.scribe.time.time", lambda: next(clock))
    said = [(await store.say("me", None, ref, ref)).conversation for ref in "abc"]
    assert [each.conversation for each in await store.page("me", None, 9)] == said[::-1]
    assert [each.conversation for each in await store.page("me", said[1], 9)] == said[:1]


async def test_a_full_disk_is_told_and_an_answer_is_stored_when_there_is_room(store: Store) -> None:
    async def room_for(pages: int) -> None:
        await store.read(lambda database: database.execute(f"PRAGMA max_page_count = {pages}"))

    said = await store.say("me", None, "a", "Hello")
    await room_for(1)
    with pytest.raises(DiskFull):
        await store.say("me", None, "b", "x" * 100_000)
    texts: list[tuple[str, Status]] = [("y" * 50_000, "writing"), ("y" * 100_000, "whole")]
    for text, status in texts:
        with pytest.raises(DiskFull):
            await store.write(said.reply, text, status)
    assert (await store.messages("me", said.conversation))[-1].text == ""
    await room_for(10_000)
    last = (await store.messages("me", said.conversation))[-1]
    assert (last.text, last.status) == ("y" * 100_000, "whole")
    assert len(await store.page("me", None, 9)) == 1
