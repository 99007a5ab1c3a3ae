"""A disk that is full: while people write, when the daemon starts, and while a model is fetched."""

import asyncio
import hashlib
import random
import sys
import time
import uuid
from pathlib import Path
from subprocess import PIPE, STDOUT

from aiohttp import ClientSession

from tests.daemons import DEADLINE, Live
from tests.faults.fault import Fault, Tally
from tests.faults.ground import texts, unplanned
from tests.faults.mounts import fill, free, small_disk
from tests.faults.people import browser, question
from tests.models.hub import Hub, Manners, hub
from tests.page import Frame, Page, page

DISK, LONG, TIMES = 10, 20_000, 60
"""Megabytes of the disk; characters of messages that find no room in a log written anew, and how many may fit."""
LATER = 15.0
"""Seconds within which an answer that could not be stored is, once there is room."""
MODELS, MODEL = 72, 3_000_000
"""Megabytes of the disk for models, of which a download leaves 64 free; bytes of the model."""


class FullDatabase(Fault):
    """The disk fills up in the middle of an answer.

    The answer goes on to its end; a message that finds no room is refused with the code `disk_full`; the API, which
    stores nothing, answers. Once there is room the same socket can write again, without a restart, the answer is stored
    as it was shown, and every acknowledged message is there. p95: from that to the next acknowledgement.
    """

    name, full, few, timed = "disk-full-database", 20, 2, "writing again"

    async def inflict(self, tally: Tally, tries: int) -> None:
        """One daemon, whose disk becomes full again and again."""
        with (
            small_disk(self.ground.new_folder(), DISK) as disk,
            self.ground.daemon(f"state_dir={disk}", "chat.max_tokens=40") as live,
        ):
            async with browser() as http, page(http, live.url) as one:
                await one.state(phase="ready")
                said = list[str]()
                for number in range(tries):
                    with tally.attempt():
                        await _fills_up(http, live, one, disk, said, tally)
                    free(disk)
                    self.ground.tell(f"{self.name}: {number + 1}, {tally.failures} failures")
            verdict, there = texts(disk)
            tally.lose(len(set(said) - set(there)), "acknowledged messages")
            for words in [*unplanned(live), *[verdict] * (verdict != "ok")]:
                tally.problem(words)


async def _fills_up(
    http: ClientSession, live: Live, one: Page, disk: Path, said: list[str], tally: Tally
) -> None:
    running = await _say(one, question(), said)
    await one.piece()
    fill(disk)
    await one.until("done", answer=running["answer"])
    frame, times = running, 0
    while frame["type"] == "said" and times < TIMES:
        await one.send("stop", answer=frame["answer"])
        frame, times = await _say(one, question() + "x" * random.randrange(LONG), said), times + 1
    assert frame["type"] == "error" and frame["code"] == "disk_full", frame
    await answers(http, live.url)
    free(disk)
    began = time.monotonic()
    frame = await _say(one, question(), said)
    assert frame["type"] == "said", frame
    tally.seconds.append(time.monotonic() - began)
    done = await one.until("done", answer=frame["answer"])
    assert done["reason"] in ("stop", "length"), done
    shown = one.text(running["answer"])
    async with asyncio.timeout(LATER):
        while (await one.open(running["conversation"]))["messages"][-1]["text"] != shown:
            await asyncio.sleep(0.1)


async def _say(one: Page, text: str, said: list[str]) -> Frame:
    """Say it; the frame that answers that, `said` or `error`."""
    ref = uuid.uuid4().hex
    await one.send("say", ref=ref, text=text)
    while (frame := await one.receive()).get("ref") != ref:
        pass
    if frame["type"] == "said":
        said.append(text)
    return frame


async def answers(http: ClientSession, url: str) -> None:
    """The API gives an answer."""
    body = {"messages": [{"role": "user", "content": "Say yes."}], "max_tokens": 4}
    async with http.post(f"{url}/v1/chat/completions", json=body) as response:
        assert response.status == 200, await response.text()


class FullAtStart(Fault):
    """The daemon starts on a disk that has been full since before.

    The page is there and the API answers; messages are refused with the code `disk_full`; once there is room they are
    taken without a restart, and what was there before is there. p95: from that to the next acknowledgement.
    """

    name, full, few, timed = "disk-full-state", 20, 2, "writing again"

    async def inflict(self, tally: Tally, tries: int) -> None:
        """One disk, so many starts; the first one finds no database at all."""
        with small_disk(self.ground.new_folder(), DISK) as disk:
            said = list[str]()
            for number in range(tries):
                fill(disk)
                with tally.attempt(), self.ground.daemon(f"state_dir={disk}") as live:
                    await _starts_full(live, disk, said, tally)
                    assert not (words := unplanned(live)), words
                free(disk)
                self.ground.tell(f"{self.name}: {number + 1}, {tally.failures} failures")
            verdict, there = texts(disk)
            assert verdict == "ok", verdict
            tally.lose(len(set(said) - set(there)), "acknowledged messages")


async def _starts_full(live: Live, disk: Path, said: list[str], tally: Tally) -> None:
    async with browser() as http, page(http, live.url) as one:
        await one.state(phase="ready")
        async with http.get(live.url) as response:
            assert response.status == 200
        frame = await _say(one, question(), said)
        assert frame["type"] == "error" and frame["code"] == "disk_full", frame
        await answers(http, live.url)
        free(disk)
        began = time.monotonic()
        frame = await _say(one, question(), said)
        assert frame["type"] == "said", frame
        tally.seconds.append(time.monotonic() - began)
        await one.send("stop", answer=frame["answer"])
        await one.until("done", answer=frame["answer"])


class FullDownload(Fault):
    """The disk for models fills up while one is fetched, beside a daemon that answers.

    `bramble models fetch` ends with a sentence that says so and what mends it; the daemon answers; once there is room
    the same command goes on where it was, and the file is what it should be.
    """

    name, full, few, timed = "disk-full-download", 20, 2, "the second run"

    async def inflict(self, tally: Tally, tries: int) -> None:
        """One daemon, so many downloads."""
        with small_disk(self.ground.new_folder(), MODELS) as disk, hub() as server:
            server.manners = Manners(cut_after=1 << 16)
            async with browser() as http:
                with self.ground.daemon(f"models_dir={disk}") as live:
                    for number in range(tries):
                        with tally.attempt():
                            await _fetches(http, live, disk, server, f"m{number}.gguf", tally)
                        free(disk)
                    for words in unplanned(live):
                        tally.problem(words)


async def _fetches(
    http: ClientSession, live: Live, disk: Path, server: Hub, name: str, tally: Tally
) -> None:
    content = b"GGUF" + random.randbytes(MODEL)
    server.files[f"/{name}"] = content
    server.manners.seconds = 0.02
    fetching = asyncio.create_task(fetch(server, disk, name))
    async with asyncio.timeout(DEADLINE):
        while not any(part.stat().st_size > 100_000 for part in disk.glob(f"*{name}")):
            await asyncio.sleep(0.005)
    fill(disk)
    code, words = await fetching
    assert code == 1 and "No space left on device" in words and "Free some space" in words, words
    assert "Traceback" not in words, words
    await answers(http, live.url)
    free(disk)
    server.manners.seconds, sent, began = 0.0, server.sent, time.monotonic()
    code, words = await fetch(server, disk, name)
    assert code == 0, words
    tally.seconds.append(time.monotonic() - began)
    file = disk / name
    wanted, found = (hashlib.sha256(each).digest() for each in (content, file.read_bytes()))
    tally.lose(int(wanted != found), "models that differ")
    assert server.sent - sent < MODEL, "it began anew"
    file.unlink()


async def fetch(server: Hub, models_dir: Path, name: str) -> tuple[int, str]:
    """`bramble models fetch`; its exit status and what it says."""
    settings = (f"--set=models_dir={models_dir}", f"--set=models.local_hosts=[{server.host!r}]")
    command = ("-m", "bramble", "models", "fetch", *settings, f"{server.url}/{name}")
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, stdout=PIPE, stderr=STDOUT
    )
    told, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, told.decode()
