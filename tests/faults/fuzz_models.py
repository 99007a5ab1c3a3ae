"""Model files with errors."""

import asyncio
import os
import random
import struct
import subprocess
import sys
import time
from pathlib import Path

from aiohttp import ClientSession

from bramble.engine.survey import Check, line
from bramble.engine.wire import Load
from tests.daemons import Live
from tests.engine import tiny
from tests.faults.fault import Fault, Tally
from tests.faults.ground import high_water, unplanned

SECONDS, MEGABYTES = 5.0, 256
SURVEYOR = (sys.executable, "-m", "bramble.engine.surveyor")
WHOLE = 100
"""One of so many files is given to a whole daemon as well: it takes three deaths there until a model is given up."""
HEADER = 16_384
"""Bytes at the beginning in which most mutations are made: names, types, sizes, offsets."""


def mutated(whole: bytes) -> bytes:
    """The file with some errors."""
    data = bytearray(whole)
    for _ in range(random.choice([1, 1, 2, 8])):
        at = random.randrange(min(HEADER, len(data) - 16))
        match random.randrange(6):
            case 0:
                data[at] ^= 1 << random.randrange(8)
            case 1:
                value = random.choice([0, 1, 2**31 - 1, 2**32, 2**40, 2**62, 2**63, 2**64 - 1])
                data[at : at + 8] = struct.pack("<Q", value)
            case 2:
                data[at : at + 4] = struct.pack(
                    "<I", random.choice([0, 8, 9, 255, 2**31, 2**32 - 1])
                )
            case 3:
                del data[random.randrange(16, len(data)) :]
                data += bytes(16)
            case 4:
                data[at:at] = data[at : at + random.randrange(64)]
            case _:
                data[at : at + random.randrange(32)] = random.randbytes(random.randrange(32))
    return bytes(data)


class FuzzModels(Fault):
    """1,000 small model files with errors: bits, sizes, types, cut ends.

    For each the process that looks at it has a verdict, or dies of it, within 5 s and 256 MiB; every hundredth is given
    to a whole daemon, which lives on and says what is wrong. p95 of the time to a verdict.
    """

    name, full, few, timed = "fuzz-models", 1000, 8, "verdict"

    async def inflict(self, tally: Tally, tries: int) -> None:
        """So many files."""
        folder = self.ground.new_folder()
        whole = tiny.llama(folder / "whole.gguf").read_bytes()
        file, most, died = folder / "mutated.gguf", 0.0, 0
        for number in range(tries):
            file.write_bytes(mutated(whole))
            with tally.attempt():
                code, seconds, megabytes = await asyncio.to_thread(_verdict, file)
                tally.seconds.append(seconds)
                most, died = max(most, megabytes), died + (code != 0)
                assert seconds <= SECONDS and megabytes <= MEGABYTES, self._keep(file)
                if number % WHOLE == WHOLE - 1:
                    await self._in_a_daemon(file, tally)
            if number % 50 == 49:
                self.ground.tell(f"{self.name}: {number + 1}, {tally.failures} failures")
        tally.bound("longest", max(tally.seconds, default=0.0), SECONDS, "s")
        tally.bound("most memory", most, MEGABYTES, "MiB")
        tally.figures.append(f"{died} killed the process that looked")

    def _keep(self, file: Path) -> str:
        """The file under a name that stays."""
        kept = Path(f"/tmp/bramble-fuzz-{random.randrange(10**9)}.gguf")
        kept.write_bytes(file.read_bytes())
        return f"kept as {kept}"

    async def _in_a_daemon(self, file: Path, tally: Tally) -> None:
        with self.ground.daemon(f"engine.model={file}") as live:
            await judged(live, 6 * SECONDS)
            for words in unplanned(live):
                tally.problem(words)


def _verdict(file: Path) -> tuple[int, float, float]:
    """Have a model looked at as `bramble check --model` does: exit status, seconds, MiB at most."""
    order = Check(Load(str(file), context=512, slots=1, threads=1, batch=128, max_step_ms=250))
    began = time.monotonic()
    quiet = subprocess.DEVNULL
    environment = {**os.environ, "GGML_NO_BACKTRACE": "1"}
    process = subprocess.Popen(
        SURVEYOR, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, env=environment
    )
    assert process.stdin is not None
    process.stdin.write(line(order))
    process.stdin.close()
    most = 0.0
    while process.poll() is None:
        most = max(most, high_water(process.pid))
        if time.monotonic() - began > 2 * SECONDS:
            process.kill()
        time.sleep(0.002)
    return process.returncode, time.monotonic() - began, most


async def judged(live: Live, seconds: float) -> str:
    """Wait until the engine is ready or its model has failed; the page is there meanwhile. Raises TimeoutError."""
    async with ClientSession() as http, asyncio.timeout(seconds):
        while True:
            async with http.get(f"{live.url}/readyz") as response:
                status = (await response.json())["status"]
            if status in ("ready", "failed"):
                return status
            await asyncio.sleep(0.02)
