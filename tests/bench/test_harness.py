"""The harness itself: its arithmetic and its table, and one tiny scenario on a real server so that it cannot rot."""

import os
import subprocess
import sys
from functools import partial
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from tests.bench.__main__ import main
from tests.bench.hogs import hogs
from tests.bench.measure import (
    Figures,
    Line,
    Measure,
    Missing,
    Result,
    Scenario,
    at_least,
    at_most,
    of,
    run,
)
from tests.bench.options import Options
from tests.bench.person import person
from tests.bench.scenarios import SCENARIOS
from tests.bench.scenarios.ceiling import speeds
from tests.bench.scenarios.fairness import gaps
from tests.bench.scenarios.loads import single
from tests.bench.scenarios.schema import fits
from tests.bench.scenarios.schemas import SCHEMAS
from tests.bench.servers import bramble, llama_server
from tests.bench.show import as_json, show
from tests.bench.text import fresh
from tests.bench.verdict import percentile, verdicts

REPO = Path(__file__).parent.parent.parent


class Tiny(Scenario):
    """Two short answers with drafting and without, and one on the page."""

    name = "tiny"
    lines = (
        Line("tok/s", of("tok_s", "on"), of("tok_s", "off"), at_least(0)),
        Line("beside a peer", of("tok_s", "on"), of("tok_s", "peer"), at_least(1)),
        Line("memory", of("peak_mb", "on"), of("peak_mb", "off")),
    )

    def sides(self) -> dict[str, Measure]:
        return {"on": self._on, "off": self._off, "peer": self._peer}

    async def _on(self) -> Figures:
        async with bramble(self.options, "chat.max_tokens=8") as server:
            async with person(server.url) as writer:
                await writer.type("hi there", 0.5)
                first = await writer.say("hi there")
            return await single(server, ["hi", "hello"], 8) | {"page_s": first}

    async def _off(self) -> Figures:
        async with bramble(self.options, "engine.draft=0") as server:
            return await single(server, ["hi", "hello"], 8)

    async def _peer(self) -> Figures:
        async with llama_server(self.options) as server:
            return await single(server, ["hi"], 8)


class Counted(Scenario):
    """Sides that only note that they were measured."""

    name = "counted"
    lines = (
        Line("time", of("s", "a"), of("s", "b"), at_most(0.5)),
        Line("best", of("s", "a"), of("s", "b", "c"), at_least(0.26)),
        Line("nothing", of("s", "a"), of("s", "absent")),
    )

    def __init__(self, options: Options, seconds: dict[str, list[float]]) -> None:
        super().__init__(options)
        self._seconds = seconds
        self.order = ""

    def sides(self) -> dict[str, Measure]:
        return {name: partial(self._side, name) for name in (*self._seconds, "absent")}

    async def _side(self, name: str) -> Figures:
        self.order += name
        if name == "absent":
            raise Missing("it is not here")
        return {"s": self._seconds[name].pop(0)}


@pytest.fixture
def options(starter: Path, tmp_path: Path) -> Options:
    return Options(starter, tmp_path)


@pytest.fixture
async def counted(options: Options) -> Result:
    return await run(Counted(options, {"a": [1, 9, 2], "b": [3, 4, 90], "c": [8, 8, 8]}), 3, print)


async def test_sides_alternate_and_a_missing_one_is_asked_once(options: Options) -> None:
    scenario = Counted(options, {"a": [1, 1, 1], "b": [1, 1, 1]})
    result = await run(scenario, 3, print)
    assert scenario.order == "ababsent" + "ba" + "ab"
    assert result.missing == {"absent": "it is not here"}


def test_a_ratio_is_of_medians_and_judged_by_its_target(counted: Result) -> None:
    time, best, nothing = verdicts(counted)
    assert (time.ratio, time.met) == (0.5, True)
    assert (best.side_b, best.ratio, best.met) == ("c", 0.25, False)
    assert (nothing.ratio, nothing.met, nothing.why_not) == (None, None, "it is not here")


def test_the_table_shows_medians_targets_and_every_value(counted: Result) -> None:
    output = StringIO()
    show(Console(file=output, width=100), counted)
    lines = [line.rstrip() for line in output.getvalue().splitlines()]
    assert "time     2  4  0.50  ≤ 0.50  met" in lines
    assert "best     2  8  0.25  ≥ 0.26  MISSED" in lines
    assert "left out: it is not here" in output.getvalue()
    assert "  time, B = b: 3  4  90" in lines


def test_json_has_all_of_it(counted: Result, options: Options) -> None:
    whole = as_json(options, [counted])
    assert whole["model"]["bytes"] == options.model.stat().st_size
    assert whole["scenarios"][0]["values"] == counted.values
    assert [line["met"] for line in whole["scenarios"][0]["lines"]] == [True, False, None]


def test_percentile_is_by_nearest_rank() -> None:
    assert percentile([3.0], 0.95) == 3
    assert percentile(range(100), 0.95) == 95
    assert percentile([2, 1, 4, 3], 0.5) == 3


def test_gaps_are_those_that_reach_into_the_time_asked_for() -> None:
    answers = [[0.0, 1.0, 3.0, 4.0, 9.0], [20.0, 21.0], [5.0]]
    assert list(gaps(answers, 2.0, 3.5)) == [2.0, 1.0]
    assert list(gaps([[0.0, 10.0]], 2.0, 3.5)) == [10.0], (
        "a freeze from before to after counts whole"
    )


def test_llama_bench_is_understood() -> None:
    output = b'[{"n_prompt":512,"n_gen":0,"samples_ts":[1,2,9]},{"n_prompt":0,"n_gen":128,"samples_ts":[5]}]'
    assert speeds(output) == {"read_tok_s": 2, "write_tok_s": 5}


def test_outputs_are_held_to_their_schema() -> None:
    _, schema = SCHEMAS["switch"]
    assert len(SCHEMAS) == 10
    assert fits('{"device": "hall", "on": true}', schema)
    for wrong in ('{"device": "attic", "on": true}', '{"device": "hall"}', '{"device": "ha', "yes"):
        assert not fits(wrong, schema)


def test_fresh_text_never_begins_alike() -> None:
    beginnings = {fresh(50).split()[0] for _ in range(100)}
    assert len(beginnings) == 100


def test_every_scenario_says_what_it_measures_and_compares_its_own_sides(options: Options) -> None:
    for name, scenario in SCENARIOS.items():
        assert scenario.name == name
        assert "Target" in (scenario.__doc__ or "") or "For information" in (scenario.__doc__ or "")
        sides = scenario(options).sides().keys()
        assert all({*line.a.sides, *line.b.sides} <= sides for line in scenario.lines), name


async def test_neighbours_spin_on_every_core_and_are_gone_afterwards() -> None:
    def children() -> list[str]:
        return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()

    before = children()
    async with hogs():
        assert len(children()) == len(before) + len(os.sched_getaffinity(0))
    assert children() == before


async def test_a_scenario_runs_on_a_real_server(options: Options) -> None:
    result = await run(Tiny(options), 1, print)
    speed, peer, memory = verdicts(result)
    assert speed.met
    assert speed.a[0] > 0
    assert speed.b[0] > 0
    assert peer.why_not == "no llama-server was named: --peer FILE or BRAMBLE_PEER"
    assert memory.a[0] > options.model.stat().st_size / 1e6 / 2
    assert result.values["on"]["page_s"][0] > 0


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("BRAMBLE_")}
    return subprocess.run(
        [sys.executable, "-m", "tests.bench", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=REPO,
        env=environment,
    )


def test_list_names_every_scenario() -> None:
    done = bench("--list")
    assert done.returncode == 0
    assert set(SCENARIOS) <= set(done.stdout.splitlines())


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["singel"], "name scenarios of these: single, four"),
        ([], "name scenarios of these: single, four"),
        (["single"], "no model was named: --model FILE or BRAMBLE_BENCH_MODEL"),
        (["single", "--model=/nowhere.gguf"], "/nowhere.gguf is no file"),
        (["single", "--rounds=0"], "--rounds"),
    ],
)
def test_mistakes_are_told(arguments: list[str], complaint: str) -> None:
    done = bench(*arguments)
    assert done.returncode == 2
    assert complaint in done.stderr


def test_a_server_that_ends_fails_its_scenario_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "broken.gguf"
    model.write_bytes(b"GGUF")
    peer = tmp_path / "llama-server"
    peer.write_text("#!/bin/sh\necho this cannot be loaded\nexit 1\n")
    peer.chmod(0o755)
    assert main(["echo", f"--model={model}", f"--peer={peer}", "--rounds=1"]) == 1
    assert "failed: the server" in capsys.readouterr().out
