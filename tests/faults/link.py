"""A client whose network is gone: it says no goodbye, and its end of the connection never answers."""

import asyncio
import sys
import time
from pathlib import Path
from subprocess import PIPE

from tests.daemons import DEADLINE, Live
from tests.faults.fault import Fault, Tally
from tests.faults.ground import unplanned
from tests.faults.namespace import Cable, cable

GONE = 45.0
CLIENT = Path(__file__).with_name("lost_client.py")
CONNECTIONS = 4
"""That the client opens."""
LISTENING = "0A"
"""As /proc/net/tcp has it."""


class PullCable(Fault):
    """A page that idles, one that is answered, a kept connection and a stream lose their network, one of their own.

    45 s later the daemon has no socket of theirs. p95: until the last one is gone.
    """

    name, full, few, timed, slow = "link", 5, 1, "gone after", True

    async def inflict(self, tally: Tally, tries: int) -> None:
        """All kinds at once, each time."""
        with cable() as wire:
            under = ("ip", "netns", "exec", wire.server)
            settings = ("server.host=*", "chat.max_tokens=1000", "engine.context=8192")
            with self.ground.daemon(*settings, under=under) as live:
                for number in range(tries):
                    with tally.attempt():
                        await _pulled(live, wire, tally)
                    wire.plug_in()
                    self.ground.tell(f"{self.name}: {number + 1}, {tally.failures} failures")
                tally.bound("longest", max(tally.seconds, default=GONE + 1), GONE, "s")
                for words in unplanned(live):
                    tally.problem(words)


async def _pulled(live: Live, wire: Cable, tally: Tally) -> None:
    port = int(live.url.partition(" ")[0].rsplit(":")[-1].strip("/"))
    command = ["ip", "netns", "exec", wire.client, sys.executable, str(CLIENT)]
    client = await asyncio.create_subprocess_exec(
        *command, f"http://{wire.address}:{port}", stdout=PIPE
    )
    assert client.stdout is not None
    try:
        async with asyncio.timeout(3 * DEADLINE):
            assert await client.stdout.readline() == b"all are there\n"
        assert sockets(live, port) == CONNECTIONS, sockets(live, port)
        wire.pull()
        pulled = time.monotonic()
        async with asyncio.timeout(2 * GONE):
            while sockets(live, port):
                await asyncio.sleep(0.25)
        tally.seconds.append(time.monotonic() - pulled)
    finally:
        client.kill()
        await client.wait()


def sockets(live: Live, port: int) -> int:
    """Connections that the daemon's namespace has at this port, in whatever state but listening."""
    count = 0
    for table in ("tcp", "tcp6"):
        rows = Path(f"/proc/{live.process.pid}/net/{table}").read_text().splitlines()[1:]
        for row in rows:
            _, local, _, state, *_ = row.split()
            count += int(local.rpartition(":")[2], 16) == port and state != LISTENING
    return count
