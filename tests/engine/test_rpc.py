"""One model on several machines: real workers, as processes here and behind a cable of their own."""

import asyncio
import contextlib
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import AsyncGenerator, Generator, Iterator, Sequence
from pathlib import Path

import msgspec
import psutil
import pytest

from bramble.cli import main
from bramble.engine import wire
from bramble.engine.client import Engine, EngineSpec, Phase
from bramble.engine.rpc import WorkerAway, layer_counts
from bramble.errors import ModelUnavailable
from tests.daemons import free_port
from tests.engine.rig import Ask, Rig
from tests.engine.test_supervisor import collect, spec, until
from tests.faults.fault import LeftOut
from tests.faults.namespace import Cable, cable

ASK = Ask("Tell me about the sea, in three sentences.", tokens=32)
PART = 8_000_000
"""Bytes of weights and cells that each of three machines holds of the starter, at least."""
NOTICED = 30.0
"""Seconds until a worker without power is missed: ten for the connection, then those that it may take to come back."""


class Worker:
    """`bramble worker` as a process of its own."""

    def __init__(self, host: str = "127.0.0.1", under: Sequence[str] = ()) -> None:
        self.address, self._under = f"{host}:{free_port()}", under
        self.start()

    def start(self) -> None:
        """Start it (again), and wait until it can be asked."""
        settings = ("--set", f"worker.listen={self.address}", "--set", "worker.threads=1")
        command = [*self._under, sys.executable, "-m", "bramble", "worker", *settings]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        until = time.monotonic() + 20
        while not self._listens():
            assert self.process.poll() is None and time.monotonic() < until, "no worker"
            time.sleep(0.05)

    def _listens(self) -> bool:
        port = int(self.address.rpartition(":")[2])
        rows = Path(f"/proc/{self.process.pid}/net/tcp").read_text().splitlines()[1:]
        return any(
            int(row.split()[1].rpartition(":")[2], 16) == port and row.split()[3] == "0A"
            for row in rows
        )

    @property
    def held(self) -> int:
        """Bytes of its own memory."""
        memory = psutil.Process(self.process.pid).memory_info()
        return memory.rss - memory.shared

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextlib.contextmanager
def workers(count: int) -> Generator[list[Worker]]:
    """So many, gone afterwards."""
    made = [Worker() for _ in range(count)]
    try:
        yield made
    finally:
        for worker in made:
            worker.kill()


def shared(model: Path, *names: str) -> EngineSpec:
    """An engine that these workers help."""
    made = spec(model)
    assert isinstance(made.load, wire.Load)
    return msgspec.structs.replace(made, load=msgspec.structs.replace(made.load, rpc=names))


def answer(model: Path, *names: str) -> tuple[str, wire.Ready]:
    """What it says with these workers."""
    rig = Rig(model, context=1024, slots=2, changes={"rpc": names})
    try:
        assert isinstance(rig.first, wire.Ready), rig.first
        return rig.answer(ASK).text, rig.first
    finally:
        rig.close()


def test_a_model_on_three_machines_says_the_same(starter: Path) -> None:
    alone, _ = answer(starter)
    with workers(2) as both:
        before = [worker.held for worker in both]
        rig = Rig(
            starter, context=1024, slots=2, changes={"rpc": tuple(each.address for each in both)}
        )
        try:
            assert isinstance(rig.first, wire.Ready), rig.first
            assert rig.answer(ASK).text == alone
            grown = [each.held - was for each, was in zip(both, before, strict=True)]
            assert min(grown) > PART, grown
            note = next(note for note in rig.first.notes if "not encrypted" in note)
            assert all(each.address in note for each in both)
        finally:
            rig.close()
        again, _ = answer(starter, *(each.address for each in both))  # they serve the next one
        assert again == alone


def test_the_plan_tells_what_is_held_elsewhere(
    starter: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with workers(1) as (worker,):
        options = ["--set", f"engine.rpc=[{worker.address}]", "--model", str(starter)]
        assert main(["check", *options]) == 0
    told = capsys.readouterr().out
    assert re.search(r"elsewhere +\d+ MB on other machines", told), told


def test_layers_are_shared_by_memory() -> None:
    assert layer_counts(30, [4, 4, 4]) == [10, 10, 10]
    assert layer_counts(30, [8, 4, 1]) == [19, 9, 2]
    assert layer_counts(3, [1000, 1, 1]) == [1, 1, 1]
    assert layer_counts(2, [1, 1000, 1000]) == [0, 1, 1]
    with pytest.raises(WorkerAway, match="2 layers, too few for 3 workers"):
        layer_counts(2, [1, 1, 1, 1])


@contextlib.asynccontextmanager
async def helped(spec: EngineSpec) -> AsyncGenerator[Engine]:
    """An engine that is ready, and gone afterwards."""
    engine = Engine(spec)
    await engine.start()
    try:
        await until(engine, lambda state: state.phase is Phase.READY)
        yield engine
    finally:
        await engine.stop(5)


async def answering(engine: Engine, tokens: int) -> asyncio.Task[str]:
    """An answer that has begun."""
    began = asyncio.Event()
    running = asyncio.create_task(collect(engine, tokens, began))
    await asyncio.wait_for(began.wait(), 30)
    return running


@pytest.fixture
def wires() -> Iterator[Cable]:
    """Two namespaces and a cable, where they can be made."""
    try:
        with cable() as made:
            yield made
    except LeftOut as error:
        pytest.skip(str(error).upper())


async def test_a_worker_that_comes_back_lets_the_answer_go_on(starter: Path) -> None:
    with workers(1) as (worker,):
        async with helped(shared(starter, worker.address)) as engine:
            running = await answering(engine, 120)
            worker.kill()
            await until(engine, lambda state: state.phase is Phase.RESTARTING)
            assert engine.state.reason.startswith("The connection to a machine that computes")
            await asyncio.to_thread(worker.start)
            assert len(await asyncio.wait_for(running, 60)) > 100
            assert engine.state.restarts == 1


async def test_a_worker_that_stays_away_is_named_and_waited_for(starter: Path) -> None:
    with workers(1) as (worker,):
        async with helped(shared(starter, worker.address)) as engine:
            worker.kill()
            with pytest.raises(ModelUnavailable, match=f"{worker.address} cannot be reached"):
                await collect(engine, 120)
            assert engine.state.phase is Phase.FAILED
            assert "bramble worker" in engine.state.hint
            await asyncio.to_thread(worker.start)
            await until(engine, lambda state: state.phase is Phase.READY)
            assert await collect(engine, 8)


def test_without_a_router_the_address_of_the_cable_is_taken(wires: Cable) -> None:
    command = ["ip", "netns", "exec", wires.server, sys.executable, "-m", "bramble", "worker"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        told = worker.stdout.readline()
        worker.kill()
    assert f"at {wires.address}:50052" in told


async def test_a_pulled_cable_is_noticed(starter: Path, wires: Cable) -> None:
    worker = Worker(wires.address, ("ip", "netns", "exec", wires.server))
    load = shared(starter, worker.address)
    inside = ("ip", "netns", "exec", wires.client, *load.command)
    try:
        async with helped(msgspec.structs.replace(load, command=inside)) as engine:
            running = await answering(engine, 400)
            wires.pull()
            with pytest.raises(ModelUnavailable, match="cannot be reached"):
                await asyncio.wait_for(running, 2 * NOTICED)
            wires.plug_in()  # the worker must have missed the engine, too
            await until(engine, lambda state: state.phase is Phase.READY, 2 * NOTICED)
            assert await collect(engine, 8)
    finally:
        worker.kill()


@pytest.mark.parametrize(
    ("says", "reason"),
    [
        (struct.pack("<QBBBB24x", 28, 9, 0, 0, 0), r"another version of llama.cpp \(protocol 9.0"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "is no worker of Bramble's"),
        (struct.pack("<QB", 1, 7), "is no worker of Bramble's"),
    ],
)
def test_what_is_no_worker_is_told_in_words(starter: Path, says: bytes, reason: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            client, _ = server.accept()
            with client:
                client.recv(64)
                client.sendall(says)

        threading.Thread(target=serve, daemon=True).start()
        name = f"localhost:{server.getsockname()[1]}"
        rig = Rig(starter, context=512, slots=1, changes={"rpc": (name,)})
        try:
            assert isinstance(rig.first, wire.Unusable)
            assert rig.first.again
            assert re.search(reason, rig.first.message), rig.first
        finally:
            rig.close()


@pytest.mark.parametrize("address", ["8.8.8.8:50052", "0.0.0.0:50052"])
def test_a_worker_listens_on_private_networks_only(address: str) -> None:
    command = [sys.executable, "-m", "bramble", "worker", "--set", f"worker.listen={address}"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert ended.returncode != 0
    assert "private network" in ended.stderr or "address of this network" in ended.stderr
