"""The store's file when things go wrong or become too much: damage, copies, bounds, and how little is written."""

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from bramble.chat import copies
from bramble.chat.copies import NoCopy
from bramble.chat.migrations import MIGRATIONS
from bramble.chat.store import Store
from bramble.chat.upkeep import MEGABYTE, Upkeep, used
from bramble.config import StoreSettings
from bramble.errors import NotFound

BLOCK = 4096


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "bramble.sqlite"


@pytest.fixture
async def store(file: Path) -> AsyncIterator[Store]:
    store = Store(file)
    await store.open()
    yield store
    await store.close()


class Forgotten:
    """Who else keeps something of a conversation, and is told that it is deleted."""

    def __init__(self) -> None:
        self.told = set[str]()

    async def __call__(self, conversation: str) -> None:
        self.told.add(conversation)


async def fill(store: Store, conversations: int, size: int = 400) -> list[str]:
    """Conversations of two messages with words of their own, oldest first."""
    made: list[str] = []
    for n in range(conversations):
        said = await store.say("me", None, f"r{n}", f"question{n} " + os.urandom(size // 2).hex())
        await store.write(said.reply, f"answer{n} " + os.urandom(size // 2).hex(), "whole")
        made.append(said.conversation)
    return made


def smash(file: Path, *blocks: int) -> None:
    """What a dying card does: blocks that read as zeros."""
    with file.open("r+b") as raw:
        for block in blocks:
            raw.seek(block * BLOCK)
            raw.write(bytes(BLOCK))


# ── damage ───────────────────────────────────────────────────────────────────────────────────────


async def test_a_damaged_file_is_set_aside_and_most_of_it_saved(file: Path) -> None:
    store = Store(file)
    await store.open()
    made = await fill(store, 200)
    await store.close()
    blocks = file.stat().st_size // BLOCK
    smash(file, blocks // 3, blocks // 2, blocks - 9)
    before = file.read_bytes()
    store = Store(file)
    await store.open()
    said = await store.say("me", None, "new", "Are you well?")
    for query in ("question1", "answer", "answer199"):
        await store.search("me", query)
    listed = await store.page("me", None, 300)
    for summary in listed:
        await store.messages("me", summary.conversation)
    damage = store.damage
    assert damage is not None
    assert (file.with_name(damage.file)).read_bytes()[:BLOCK] == before[:BLOCK]
    assert damage.messages > 0.8 * 400
    assert len({each.conversation for each in listed} & set(made)) > 0.8 * 200
    await store.write(said.reply, "Yes.", "whole")
    await store.close()
    with closing(sqlite3.connect(file)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
        database.execute("INSERT INTO found (found, rank) VALUES ('integrity-check', 1)")


async def test_damage_that_shows_while_it_runs_ends_nothing(file: Path) -> None:
    store = Store(file)
    await store.open()
    made = await fill(store, 300)
    told: list[str] = []
    store.watch(lambda: told.append("damaged"))
    await store.read(
        lambda database: database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    )
    await store.read(lambda database: database.execute("PRAGMA cache_size = 0").fetchall())
    blocks = file.stat().st_size // BLOCK
    smash(file, *range(blocks // 4, blocks // 2))
    for conversation in made:
        try:
            await store.messages("me", conversation)
        except NotFound:
            continue
    assert told == ["damaged"]
    assert store.damage is not None
    await store.say("me", None, "new", "Go on.")
    await store.close()


async def test_a_damaged_file_is_noticed_after_a_crash(file: Path, tmp_path: Path) -> None:
    """Its log is still there: then all pages are looked at before anything is built on them."""
    store = Store(file)
    await store.open()
    await fill(store, 100)
    crashed = tmp_path / "crashed.sqlite"
    await store.read(
        lambda database: database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    )
    await fill_more(store)
    for end in ("", "-wal"):
        crashed.with_name(crashed.name + end).write_bytes(
            file.with_name(file.name + end).read_bytes()
        )
    await store.close()
    smash(crashed, 20)
    store = Store(crashed)
    await store.open()
    assert store.damage is not None
    assert len(await store.search("me", "the newest of all")) == 1  # it was in the log only
    await store.close()


async def fill_more(store: Store) -> None:
    said = await store.say("me", None, "newest", "the newest of all")
    await store.write(said.reply, "Yes.", "whole")


async def test_a_file_that_is_no_database_is_kept_under_another_name(file: Path) -> None:
    file.write_text("My diary, not a database. " * 99)
    store = Store(file)
    await store.open()
    assert store.damage is not None
    assert store.damage.messages == 0
    assert file.with_name(store.damage.file).read_text().startswith("My diary")
    await fill(store, 1)
    await store.close()


# ── bounds ───────────────────────────────────────────────────────────────────────────────────────


async def test_too_much_goes_by_age_and_the_file_shrinks(store: Store, file: Path) -> None:
    made = await fill(store, 80, size=20_000)
    old = made[0]
    await store.say("me", old, "late", "I come back to this.")  # now the newest
    busy = made[1]
    assert await store.read(used) > 2 * MEGABYTE
    forgotten = Forgotten()
    await Upkeep(StoreSettings(max_mb=1), store, {busy}, forgotten).look(old=False)
    assert 0.7 * MEGABYTE < await store.read(used) <= MEGABYTE  # no more than had to be
    assert file.stat().st_size <= 1.1 * MEGABYTE
    left = [each.conversation for each in await store.page("me", None, 300)]
    assert set(left) == {old, busy, *made[-len(left) + 2 :]}
    assert forgotten.told == set(made) - set(left)
    data = file.read_bytes() + file.with_name(f"{file.name}-wal").read_bytes()
    assert b"question2 " not in data
    assert b"question79 " in data


async def test_what_rested_too_long_goes(store: Store, file: Path) -> None:
    made = await fill(store, 4)
    past = time.time() - 31 * 86_400

    def age(database: sqlite3.Connection) -> None:
        database.execute("UPDATE conversations SET updated = ? WHERE id <> ?", (past, made[0]))

    await store.change(age)
    upkeep = Upkeep(StoreSettings(keep_days=30), store, {made[1]}, Forgotten())
    await upkeep.look(old=False)  # a clock that jumped
    assert len(await store.page("me", None, 9)) == 4
    await upkeep.look(old=True)
    assert {each.conversation for each in await store.page("me", None, 9)} == set(made[:2])
    assert b"question3 " not in file.read_bytes()


# ── copies ───────────────────────────────────────────────────────────────────────────────────────


async def test_a_copy_made_while_it_is_written_is_whole(store: Store, tmp_path: Path) -> None:
    made = await fill(store, 50)
    target = tmp_path / "copy"
    writing = asyncio.create_task(fill_until(store))
    for _ in range(5):
        await asyncio.to_thread(copies.copy, tmp_path / "bramble.sqlite", target)
        copies.check(target)
        assert target.stat().st_mode & 0o077 == 0
        with closing(sqlite3.connect(target)) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            ids = {id for (id,) in database.execute("SELECT id FROM conversations")}
            assert ids >= set(made)
    writing.cancel()
    await asyncio.wait([writing])
    assert [each.name for each in tmp_path.iterdir() if "part" in each.name] == []


async def fill_until(store: Store) -> None:
    n = 0
    while True:
        n += 1
        await store.say("me", None, f"more{n}", "and more")


async def test_a_restored_copy_takes_the_place_at_once(store: Store, tmp_path: Path) -> None:
    (kept,) = await fill(store, 1)
    copies.copy(tmp_path / "bramble.sqlite", tmp_path / "bramble.sqlite.restoring")
    gone = (await store.say("me", None, "later", "later")).conversation
    await store.restore()
    assert len(await store.messages("me", kept)) == 2
    with pytest.raises(NotFound):
        await store.messages("me", gone)
    assert {each.name for each in tmp_path.iterdir()} <= {
        "bramble.sqlite",
        "bramble.sqlite-wal",
        "bramble.sqlite-shm",
    }


@pytest.mark.parametrize("junk", ["nothing", "text", "another", "newer", "damaged"])
async def test_junk_is_refused_with_a_reason(store: Store, tmp_path: Path, junk: str) -> None:
    made = await fill(store, 80)
    file = tmp_path / "bramble.sqlite.restoring"
    if junk == "text":
        file.write_text("Dear diary. " * 999)
    elif junk == "another":
        with closing(sqlite3.connect(file)) as database:
            database.execute("CREATE TABLE photos (name)")
            database.execute("PRAGMA user_version = 1")
    elif junk in ("newer", "damaged"):
        copies.copy(tmp_path / "bramble.sqlite", file)
        if junk == "damaged":
            smash(file, 8, 9)
        else:
            with closing(sqlite3.connect(file)) as database:
                database.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with pytest.raises(NoCopy) as caught:
        await store.restore()
    assert str(file) in caught.value.message
    assert len(await store.page("me", None, 200)) == len(made)


async def test_an_older_copy_is_migrated(store: Store, tmp_path: Path) -> None:
    """Also one whose pages and space are as they were in the beginning."""
    with closing(sqlite3.connect(tmp_path / "bramble.sqlite.restoring")) as database:
        database.executescript(
            f"""
            BEGIN; {MIGRATIONS[0]} PRAGMA user_version = 1; COMMIT;
            INSERT INTO conversations VALUES ('old', 1, 2);
            INSERT INTO messages (conversation, role, text, status, created)
            VALUES ('old', 'user', '长城在哪里？', 'whole', 1), ('old', 'assistant', 'In Chi', 'writing', 2);
            """
        )
    await store.restore()
    messages = await store.messages("me", "old")
    assert [(each.text, each.status) for each in messages] == [
        ("长城在哪里？", "whole"),
        ("In Chi", "interrupted"),
    ]
    assert len(await store.search("me", "长城在哪")) == 1
    pragmas = ("page_size", "auto_vacuum")
    got = [
        await store.read(lambda database, name=name: database.execute(f"PRAGMA {name}").fetchone())
        for name in pragmas
    ]
    assert got == [(1024,), (2,)]
