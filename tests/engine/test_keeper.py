"""A real engine that leaves and comes back: roles and hot conversations are found again, and nothing else is kept."""

import os
import signal
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bramble.engine import wire
from bramble.engine.extras import Extras, Tool
from bramble.engine.keptfile import conversation_file
from tests.engine.rig import Answer, Ask, Rig

DEADLINE = 30.0
ROLE = "You are the keeper of this list. " + " ".join(
    f"Number {n} is a {what}." for n, what in enumerate(("lamp", "river", "stone", "cat") * 4)
)
GARDENER = "You are a gardener who answers shortly. " + " ".join(
    f"In month {n} you plant {what}." for n, what in enumerate(("roses", "peas", "oaks", "rye") * 4)
)
STORY = "The old lighthouse keeper wrote a letter every evening and sent it with the first boat. "
LIMIT = 64 << 20

Begin = Callable[..., Rig]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "kept"


@pytest.fixture
def begin(starter: Path, folder: Path) -> Begin:
    """Starts engines one after another that keep things in the same folder."""

    def begin(model: Path = starter, slots: int = 4, limit: int = LIMIT) -> Rig:
        return Rig(model, slots=slots, changes={"kept": str(folder), "kept_bytes": limit})

    return begin


def leave(rig: Rig, seconds: float = 20.0) -> None:
    """Let it leave in order."""
    rig.send(wire.Shutdown(seconds))
    assert rig.process.wait(DEADLINE) == 0
    rig.close()


def files(folder: Path, kind: str) -> list[Path]:
    return sorted(folder.glob(f"{kind}-*.state"))


def until_kept(folder: Path, count: int) -> None:
    deadline = time.monotonic() + DEADLINE
    while len(files(folder, "role")) < count:
        assert time.monotonic() < deadline, "the role was not kept"
        time.sleep(0.02)


def ask_twice(rig: Rig, role: str) -> None:
    for question in ("How many are there?", "And which is the last of all?"):
        rig.answer(Ask(question, system=role, tokens=2))


def cached(rig: Rig, role: str) -> int:
    return rig.answer(Ask("Is there a third?", system=role, tokens=2)).started.cached_tokens


def say(rig: Rig, text: str, conversation: str, *before: wire.Turn, tokens: int = 8) -> Answer:
    ask = Ask(text, before=before, tokens=tokens, conversation=conversation)
    return rig.answer(ask)


def test_roles_are_kept_while_nobody_asks_and_found_again(begin: Begin, folder: Path) -> None:
    rig = begin()
    ask_twice(rig, ROLE)
    ask_twice(rig, GARDENER)
    until_kept(folder, 2)
    rig.process.kill()  # no clean stop is needed for what is on disk
    rig.close()
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in files(folder, "role"))

    rig = begin()
    for role in (ROLE, GARDENER):
        again = rig.answer(Ask("Is there a third?", system=role, tokens=2))
        assert again.done.prompt_tokens - 24 <= again.started.cached_tokens
    leave(rig)
    assert len(files(folder, "role")) == 2


def test_what_is_read_back_is_what_was_computed(begin: Begin, folder: Path) -> None:
    """Float order aside: the same cells, the same shape of batch, the same words."""
    rig = begin()
    ask_twice(rig, ROLE)
    until_kept(folder, 1)
    from_cells = rig.answer(Ask("Is there a third?", system=ROLE, tokens=24))
    leave(rig)
    rig = begin()
    from_disk = rig.answer(Ask("Is there a third?", system=ROLE, tokens=24))
    assert from_disk.started.cached_tokens >= from_cells.started.cached_tokens - 1
    if from_disk.started.cached_tokens == from_cells.started.cached_tokens:
        assert from_disk.text == from_cells.text
    leave(rig)


def test_a_system_prompt_that_one_conversation_has_is_not_kept(begin: Begin, folder: Path) -> None:
    rig = begin()
    for _ in range(3):
        rig.answer(Ask("How many are there?", system=ROLE, tokens=2))
    leave(rig)
    assert files(folder, "role") == []


def test_short_roles_are_not_worth_a_file(begin: Begin, folder: Path) -> None:
    rig = begin()
    ask_twice(rig, "You are brief.")
    leave(rig)
    assert files(folder, "role") == []


def test_tools_are_a_part_of_the_role(begin: Begin, folder: Path) -> None:
    tools = tuple(Tool(f"light_{n}", f"Switches lamp {n} on or off.") for n in range(6))
    rig = begin()
    for text in ("Light!", "Is it dark outside?"):
        rig.answer(Ask(text, tokens=2, extras=Extras(tools=tools)))
    until_kept(folder, 1)
    leave(rig)
    rig = begin()
    again = rig.answer(Ask("Good morning.", tokens=2, extras=Extras(tools=tools)))
    assert again.started.cached_tokens > 64
    leave(rig)


def test_with_one_slot_roles_are_kept_at_the_stop(begin: Begin, folder: Path) -> None:
    rig = begin(slots=1)
    ask_twice(rig, ROLE)
    leave(rig)
    assert len(files(folder, "role")) == 1
    rig = begin(slots=1)
    assert cached(rig, ROLE) > 64
    leave(rig)


def test_hot_conversations_go_on_after_a_restart(begin: Begin, folder: Path) -> None:
    rig = begin()
    told = {name: say(rig, f"{name}: {STORY * 5}", name) for name in ("one", "two")}
    say(rig, STORY * 5, "")
    leave(rig)
    assert files(folder, "conversation") == sorted(conversation_file(folder, n) for n in told)

    rig = begin()
    for name, first in told.items():
        before = wire.Turn("user", f"{name}: {STORY * 5}"), wire.Turn("assistant", first.text)
        second = say(rig, "And then?", name, *before)
        assert second.started.cached_tokens >= first.done.prompt_tokens
        assert not conversation_file(folder, name).exists(), "it is in the cache again"
    leave(rig)
    assert len(files(folder, "conversation")) == 2


def test_a_deleted_conversation_leaves_nothing(begin: Begin, folder: Path) -> None:
    rig = begin()
    for name in ("one", "two"):
        say(rig, f"{name}: {STORY * 5}", name)
    rig.send(wire.Forget("one"))
    assert say(rig, f"one: {STORY * 5}", "").started.cached_tokens < 64
    leave(rig)
    assert files(folder, "conversation") == [conversation_file(folder, "two")]
    rig = begin()
    rig.send(wire.Forget("two"))
    rig.answer(Ask("Hello", tokens=1))
    assert files(folder, "conversation") == []
    leave(rig)
    assert files(folder, "conversation") == []


def test_what_was_only_typed_is_never_on_disk(begin: Begin, folder: Path) -> None:
    """The file of a conversation ends where its last answer did."""
    rig = begin()
    first = say(rig, STORY * 5, "one")
    history = wire.Turn("user", STORY * 5), wire.Turn("assistant", first.text)
    draft = "I would never tell anybody that my hedgehog has a secret name. " * 4
    rig.send(wire.Typing("me", (*history, wire.Turn("user", draft)), "one"))
    rig.send(wire.Typing("you", (wire.Turn("user", draft),)))
    typed = rig.answer(Ask("Hello", tokens=1))  # an answer goes first; then both are computed
    assert typed.done
    wait_for_typing(rig)
    leave(rig)
    (path,) = files(folder, "conversation")
    tokens = int.from_bytes(path.read_bytes()[40:44], "little")
    assert first.done.prompt_tokens <= tokens < first.done.prompt_tokens + 10
    assert not files(folder, "role")


def wait_for_typing(rig: Rig) -> None:
    """Until the engine has had time for three looks at its messages with nothing else to do."""
    for n in range(3):
        rig.send(wire.Ping(n))
        while not any(pong.n == n for pong in rig.pongs):
            rig.read()
        time.sleep(0.3)


def test_a_damaged_file_is_ignored_and_replaced(begin: Begin, folder: Path) -> None:
    rig = begin()
    ask_twice(rig, ROLE)
    until_kept(folder, 1)
    leave(rig)
    (path,) = files(folder, "role")
    good = path.read_bytes()
    middle = len(good) // 2
    flipped = good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :]
    for bad in (good[:middle], b"GGUF" + os.urandom(len(good) - 4), flipped):
        path.write_bytes(bad)
        rig = begin()
        assert cached(rig, ROLE) < 64
        ask_twice(rig, ROLE)
        until_kept(folder, 1)
        leave(rig)
        assert path.read_bytes()[:44] == good[:44]
    assert path.stat().st_size == len(good)
    rig = begin()
    assert cached(rig, ROLE) > 64
    leave(rig)


def test_a_model_that_was_replaced_finds_nothing(
    begin: Begin, folder: Path, starter: Path, tmp_path: Path
) -> None:
    model = tmp_path / "model.gguf"
    model.write_bytes(starter.read_bytes())
    rig = begin(model)
    ask_twice(rig, ROLE)
    until_kept(folder, 1)
    leave(rig)
    os.utime(model)  # newer than its state
    rig = begin(model)
    assert cached(rig, ROLE) < 64
    ask_twice(rig, ROLE)
    leave(rig)
    assert len(files(folder, "role")) == 1, "it took the place of the old one"
    rig = begin(model)
    assert cached(rig, ROLE) > 64
    leave(rig)


def test_a_kill_keeps_no_conversation(begin: Begin, folder: Path) -> None:
    rig = begin()
    say(rig, STORY * 5, "one")
    rig.process.send_signal(signal.SIGKILL)
    rig.process.wait(DEADLINE)
    rig.close()
    assert not folder.exists() or not files(folder, "conversation")


def test_without_time_nothing_is_written_and_it_leaves_at_once(begin: Begin, folder: Path) -> None:
    rig = begin()
    say(rig, STORY * 5, "one")
    began = time.monotonic()
    leave(rig, seconds=0.0)
    assert time.monotonic() - began < 5
    assert not folder.exists() or list(folder.iterdir()) == []


def test_while_the_board_is_tight_nothing_is_kept(begin: Begin, folder: Path) -> None:
    rig = begin()
    rig.send(wire.Limits(threads=1, ahead=False))
    ask_twice(rig, ROLE)
    say(rig, STORY * 5, "one")
    leave(rig)
    assert not folder.exists() or list(folder.iterdir()) == []


def test_no_more_than_the_setting_allows(begin: Begin, folder: Path) -> None:
    limit = 5_000_000
    rig = begin(limit=limit)
    for name in ("one", "two", "three"):
        say(rig, f"{name}: {STORY * 5}", name)
    leave(rig)
    kept = files(folder, "conversation")
    assert kept == [conversation_file(folder, "three")], "not the newest"
    assert sum(path.stat().st_size for path in kept) <= limit
