"""The power goes while people write: what was not synced is lost, in part, or torn."""

import asyncio
import random
import re
from collections.abc import Sequence
from pathlib import Path

from bramble.chat.file import DATABASE
from bramble.chat.store import Store
from tests.daemons import DEADLINE
from tests.faults import disk, shim
from tests.faults.fault import Fault, Tally
from tests.faults.ground import texts
from tests.faults.people import Writer, acknowledged, writing

CUTS = 10
"""Moments of one record at which the power goes."""
MESSAGES = 150
"""In a record: with these lengths the log is copied into the database now and then, in many records."""
SIZES = (0, 2000, 6000, 12_000)
SAID = re.compile(rb'"type":"said","ref":"([0-9a-f]{32})"')


class CutPower(Fault):
    """What the daemon writes, syncs and tells its clients is recorded (recorder.c, preloaded) while four people write.

    At random moments of that record the disk is made anew: all that was synced, and of the rest nothing, any choice of
    writes, any choice of 512-byte sectors, or all. A file whose folder was not synced may be missing. The next daemon's
    store opens it, integrity_check says ok, and every message whose acknowledgement was sent before is there.
    """

    name, full, few = "power-cut", 100, 10
    deaf = False
    """Whether syncs are ignored, to see that this would be noticed."""

    async def inflict(self, tally: Tally, tries: int) -> None:
        """Records, and ten cuts of each."""
        library = shim.build("recorder", self.ground.folder)
        checkpoints = count = 0
        while tally.tries < tries:
            deeds, texts_by_ref = await self._record(library)
            checkpoints += any(
                d.kind == "W" and d.path.name == DATABASE and d.offset
                for d in deeds[len(deeds) // 4 :]
            )
            count += len(deeds)
            begin = next(i for i, deed in enumerate(deeds) if SAID.search(deed.data))
            for number in range(min(CUTS, tries - tally.tries)):
                moment = random.randrange(begin, len(deeds)) if number else len(deeds)
                how = disk.SURVIVORS[(tally.tries) % len(disk.SURVIVORS)]
                with tally.attempt():
                    await self._cut(deeds[:moment], how, texts_by_ref, tally)
            self.ground.tell(f"{self.name}: {tally.tries}, {tally.lost} lost")
        tally.figures.append(f"{count:,} writes, syncs and words recorded")
        if not checkpoints and tries >= self.full:
            tally.problem("no record has a checkpoint: write more")

    async def _record(self, library: Path) -> tuple[list[disk.Deed], dict[str, str]]:
        state, record = self.ground.new_folder(), self.ground.new_folder() / "record"
        settings = {"LD_PRELOAD": library, "FAULT_PREFIX": state / DATABASE, "FAULT_RECORD": record}
        under = ["env", *(f"{name}={value}" for name, value in settings.items())]
        writers = [Writer(size) for size in SIZES]
        with self.ground.daemon(state=state, under=[*under, *["FAULT_DEAF=1"] * self.deaf]) as live:
            async with writing(writers, live.url):
                await acknowledged(writers, MESSAGES, 3 * DEADLINE)
                live.process.kill()
                live.process.wait()
        return disk.read(record), {ref: text for each in writers for ref, text in each.said.items()}

    async def _cut(
        self,
        deeds: Sequence[disk.Deed],
        how: disk.Survivors,
        texts_by_ref: dict[str, str],
        tally: Tally,
    ) -> None:
        folder = self.ground.new_folder()
        await asyncio.to_thread(disk.after, deeds, how, folder)
        store = Store(folder / DATABASE)
        await store.open()
        await store.close()
        verdict, said = texts(folder)
        assert verdict == "ok", f"{how}: {verdict}"
        told = [ref.decode() for deed in deeds for ref in SAID.findall(deed.data)]
        missing = {texts_by_ref[ref] for ref in told} - set(said)
        tally.lose(len(missing), f"acknowledged messages ({how} of what was not synced is there)")
