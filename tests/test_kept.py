"""The whole daemon: what a clean stop keeps, what the next start finds, and that deleted means gone from there, too."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import ClientSession

from bramble.config import load
from bramble.engine.client import Phase
from bramble.engine.keptfile import CONVERSATION, conversation_file, role_file
from bramble.engine.wire import Load
from bramble.specs import engine_spec
from bramble.survey import kept_folder
from tests.conftest import Start
from tests.daemons import DEADLINE, SOMEBODY, Live
from tests.page import Page, page

STORY = "The old lighthouse keeper wrote a letter every evening and sent it with the first boat. "
SETTINGS = ("chat.max_tokens=8", "chat.temperature=0")


def conversations(state: Path) -> list[Path]:
    return sorted(kept_folder(state).glob(f"{CONVERSATION}*"))


async def tell(one: Page, text: str, conversation: str | None = None) -> str:
    """Say something, wait for the answer, and return the conversation."""
    said = await one.say(text, conversation)
    await one.until("done", answer=said["answer"])
    return said["conversation"]


async def test_a_conversation_goes_on_after_a_restart_and_a_deleted_one_is_gone(
    starter: Path, tmp_path: Path
) -> None:
    model = f"engine.model={starter}"
    live = Live(tmp_path, model, *SETTINGS)
    async with ClientSession(headers=SOMEBODY) as http, page(http, live.url) as one:
        ids = [await tell(one, f"{name}: {STORY * 5}") for name in ("One", "Two", "Three")]
        await one.send("delete", conversation=ids[0])
        await one.until("deleted")
    live.end()
    assert live.process.returncode == 0
    assert conversations(tmp_path) == sorted(
        conversation_file(kept_folder(tmp_path), id) for id in ids[1:]
    )

    live = Live(tmp_path, model, *SETTINGS)
    async with ClientSession(headers=SOMEBODY) as http, page(http, live.url) as one:
        await one.send("delete", conversation=ids[1])  # while the model loads
        await one.until("deleted")
        assert conversations(tmp_path) == [conversation_file(kept_folder(tmp_path), ids[2])]
        await tell(one, "And then?", ids[2])
        started = next(frame for frame in one.frames if frame["type"] == "started")
        assert started["cached_tokens"] > 80
    live.end()
    assert conversations(tmp_path) == [conversation_file(kept_folder(tmp_path), ids[2])]


async def test_an_idle_model_that_is_put_away_leaves_nothing_of_what_is_deleted(
    starter: Path, tmp_path: Path
) -> None:
    live = Live(tmp_path, f"engine.model={starter}", "engine.idle_unload=0.5", *SETTINGS)
    async with ClientSession(headers=SOMEBODY) as http, page(http, live.url) as one:
        id = await tell(one, STORY * 5)
        await one.state(phase="resting")
        async with asyncio.timeout(DEADLINE):
            while conversations(tmp_path) != [conversation_file(kept_folder(tmp_path), id)]:
                await asyncio.sleep(0.01)
        await one.send("delete", conversation=id)
        await one.until("deleted")
        assert conversations(tmp_path) == []
    live.end()


async def test_what_is_deleted_while_the_model_leaves_is_gone_as_well(
    starter: Path, tmp_path: Path
) -> None:
    live = Live(tmp_path, f"engine.model={starter}", "engine.idle_unload=0.5", *SETTINGS)
    async with ClientSession(headers=SOMEBODY) as http, page(http, live.url) as one:
        id = await tell(one, STORY * 5)
        await one.state(phase="resting")
        await one.send("delete", conversation=id)  # it may be writing this moment
        await one.until("deleted")
        await one.ask("Hello.")  # the next engine is there
        assert conversation_file(kept_folder(tmp_path), id) not in conversations(tmp_path)
    live.end()
    assert conversation_file(kept_folder(tmp_path), id) not in conversations(tmp_path)


async def test_a_role_of_ones_own_goes_with_what_is_kept_of_it(
    start: Start, tmp_path: Path
) -> None:
    folder = kept_folder(tmp_path)
    folder.mkdir(parents=True)
    first, second, other = (role_file(folder, f"{n} secret.", [1, 2]) for n in ("One", "Two", "No"))
    async with start() as daemon, page(daemon.http, daemon.url) as one:
        for file in (first, second, other):
            file.write_bytes(b"state")
        role = {"ref": "r", "name": "Mine", "prompt": "One secret."}
        await one.send("role_save", **role)
        id = (await one.until("role_saved"))["role"]["id"]
        await one.send("role_save", **{**role, "id": id, "prompt": "Two secret."})
        await one.until("role_saved")
        assert sorted(folder.iterdir()) == sorted([second, other])
        await one.send("role_delete", role=id)
        await one.send("ping")
        await one.until("pong")
        assert list(folder.iterdir()) == [other]


async def test_a_start_deletes_what_belongs_to_no_conversation(
    start: Start, tmp_path: Path
) -> None:
    folder = kept_folder(tmp_path)
    async with start() as daemon, page(daemon.http, daemon.url) as one:
        await daemon.until(Phase.READY)
        id = await tell(one, "say 1")
    folder.mkdir(parents=True)
    known, gone = conversation_file(folder, id), conversation_file(folder, "of an older store")
    role = folder / "role-0.state"
    for path in (known, gone, gone.with_suffix(".unfinished"), role):
        path.write_bytes(b"state")
    async with start() as daemon:
        assert sorted(folder.iterdir()) == sorted([known, role])


@pytest.mark.parametrize("kept", [0, 128])
def test_the_setting_reaches_the_engine(tmp_path: Path, kept: int) -> None:
    config = load(None, [f"state_dir={tmp_path}", f"engine.kept={kept}"])
    order = engine_spec(config, Path("model.gguf")).load
    assert isinstance(order, Load)
    assert (order.kept, order.kept_bytes) == (str(kept_folder(tmp_path)), kept << 20)
