"""Real replicas behind a real HAProxy with the settings that `deploy/fleet.yml` writes."""

import asyncio
import csv
import io
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import which

import jinja2

from tests.daemons import DEADLINE, free_port

TEMPLATE = Path(__file__).parents[1] / "deploy/fleet/haproxy.cfg.j2"
HAPROXY = which("haproxy")


@dataclass(frozen=True)
class Place:
    """Where a replica is to listen."""

    name: str
    port: int
    agent_port: int
    address: str = "127.0.0.1"

    @property
    def settings(self) -> tuple[str, ...]:
        """What its Bramble needs to be told, as the README of the fleet says."""
        return (
            f"server.port={self.port}",
            f"server.agent_port={self.agent_port}",
            "server.trusted_proxies=[127.0.0.1/32]",
        )


def places(count: int) -> list[Place]:
    """So many, on ports that nobody has."""
    return [Place(f"pi{number}", free_port(), free_port()) for number in range(count)]


class Balancer:
    """HAProxy, and its control socket."""

    def __init__(self, url: str, control: Path) -> None:
        self.url, self._control = url, control

    async def order(self, command: str) -> str:
        """One command, as people send it with socat."""
        reader, writer = await asyncio.open_unix_connection(self._control)
        writer.write(f"{command}\n".encode())
        answer = await reader.read()
        writer.close()
        return answer.decode()

    async def drain(self, name: str) -> None:
        """Nobody new is to go there."""
        answer = await self.order(f"set server replicas/{name} state drain")
        assert not answer.strip(), answer

    async def told(self, name: str) -> dict[str, str]:
        """A replica's row of `show stat`."""
        text = (await self.order("show stat")).removeprefix("# ")
        rows = csv.DictReader(io.StringIO(text))
        return next(row for row in rows if (row["pxname"], row["svname"]) == ("replicas", name))

    async def until(self, name: str, status: str) -> None:
        """Wait until it has noticed."""
        async with asyncio.timeout(DEADLINE):
            while not (await self.told(name))["status"].startswith(status):
                await asyncio.sleep(0.05)


@asynccontextmanager
async def balancer(folder: Path, replicas: Sequence[Place]) -> AsyncGenerator[Balancer, None]:
    """HAProxy in front of them, ended at the end."""
    assert HAPROXY, "there is no haproxy"
    port, control = free_port(), folder / "haproxy.sock"
    template = jinja2.Environment(trim_blocks=True, undefined=jinja2.StrictUndefined).from_string(
        TEMPLATE.read_text()
    )
    text = template.render(
        fleet_user="",
        fleet_socket=control,
        fleet_bind="127.0.0.1",
        fleet_at=port,
        fleet_replicas=replicas,
    )
    (folder / "haproxy.cfg").write_text(text + "\n")
    log = folder / "haproxy.log"
    with log.open("w") as output:
        process = await asyncio.create_subprocess_exec(
            HAPROXY, "-db", "-f", str(folder / "haproxy.cfg"), stderr=output
        )
    try:
        async with asyncio.timeout(DEADLINE):
            while not control.exists():
                assert process.returncode is None, log.read_text()
                await asyncio.sleep(0.02)
        yield Balancer(f"http://127.0.0.1:{port}", control)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
