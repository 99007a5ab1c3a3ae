"""/metrics against a daemon with the fake engine: valid for Prometheus's own parser, documented, and right."""

import re
from pathlib import Path

from prometheus_client.metrics_core import Metric as Family
from prometheus_client.parser import text_string_to_metric_families

from bramble.engine.client import Phase
from bramble.server.metrics import METRICS
from tests.conftest import Start
from tests.daemons import Running

README = Path(__file__).parents[2] / "daemon/README.md"


async def scrape(daemon: Running) -> dict[str, Family]:
    """Every family by its name in the exposition."""
    async with daemon.http.get(f"{daemon.url}/metrics") as response:
        assert response.status == 200
        assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        families = text_string_to_metric_families(await response.text())
    return {
        family.name + ("_total" if family.type == "counter" else ""): family for family in families
    }


def value(families: dict[str, Family], name: str, **labels: str) -> float:
    """One sample; `name` may have a histogram's ending."""
    for family in families.values():
        for sample in family.samples:
            if sample.name == name and sample.labels == labels:
                return sample.value
    raise AssertionError(f"no {name} with {labels}")


async def ask(daemon: Running, text: str) -> int:
    body = {"messages": [{"role": "user", "content": text}]}
    async with daemon.http.post(f"{daemon.url}/v1/chat/completions", json=body) as response:
        await response.read()
        return response.status


async def test_the_parser_reads_what_is_declared(daemon: Running) -> None:
    await daemon.until(Phase.READY)
    families = await scrape(daemon)
    assert set(families) <= set(METRICS)
    for name, family in families.items():
        assert family.type == METRICS[name].kind
        assert family.documentation == METRICS[name].help
    optional = {"temperature_celsius", "throttled", "under_voltage", "memory_pressure_percent"}
    assert set(METRICS) - set(families) <= {f"bramble_{name}" for name in optional}
    assert value(families, "bramble_engine_phase", phase="ready") == 1
    assert value(families, "bramble_guard_level") == 0
    assert value(families, "bramble_resident_bytes", process="daemon") > 1_000_000
    assert value(families, "bramble_memory_bytes", kind="total") > 1_000_000


async def test_answers_are_counted(daemon: Running) -> None:
    before = await scrape(daemon)
    assert value(before, "bramble_answers_total", outcome="stop") == 0
    for _ in range(3):
        assert await ask(daemon, "say 5") == 200
    after = await scrape(daemon)
    assert value(after, "bramble_answers_total", outcome="stop") == 3
    assert value(after, "bramble_completion_tokens_total") == 15
    assert value(after, "bramble_prompt_tokens_total") >= 3
    for name in ("queue", "first_token", "token"):
        assert value(after, f"bramble_{name}_seconds_count") == 3
        assert value(after, f"bramble_{name}_seconds_bucket", le="+Inf") == 3


async def test_refusals_are_counted(start: Start) -> None:
    async with start(["engine.slots=1", "queue.waiting=0"]) as daemon:
        await daemon.until(Phase.READY)
        url = f"{daemon.url}/v1/chat/completions"
        body = {"messages": [{"role": "user", "content": "slow 400 0.05"}], "stream": True}
        async with daemon.http.post(url, json=body) as running:
            await running.content.readline()
            assert await ask(daemon, "say 1") == 503
            families = await scrape(daemon)
            assert value(families, "bramble_answers_total", outcome="refused") == 1
            assert value(families, "bramble_running") == 1


def test_every_metric_is_documented() -> None:
    section = README.read_text().split("\n## Metrics\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)(?:\{(\w+)\})?` \| (\w+) \| (.+) \|$", section, re.MULTILINE)
    documented = {name: (kind, label, text) for name, label, kind, text in rows}
    assert documented == {
        name: (metric.kind, metric.label, metric.help) for name, metric in METRICS.items()
    }
