"""GET /metrics: what Bramble did and how it fares, in Prometheus's text format. Everything is declared in `METRICS`."""

import os
from collections import Counter
from collections.abc import Iterator

from aiohttp import web

import bramble
from bramble.account import OUTCOMES, Account
from bramble.board import memory
from bramble.board.levels import Shed
from bramble.board.watch import Watch
from bramble.engine.client import Engine, Phase
from bramble.engine.embedder import Embedder
from bramble.scheduler import Scheduler
from bramble.server.exposition import CONTENT_TYPE, Histogram, Metric, Value, exposition

METRICS = {
    metric.name: metric
    for metric in (
        Metric("bramble_info", "gauge", "Always 1; its label tells the version.", "version"),
        Metric("bramble_answers_total", "counter", "Requests that ended, by how.", "outcome"),
        Metric("bramble_prompt_tokens_total", "counter", "Tokens of all prompts."),
        Metric("bramble_cached_tokens_total", "counter", "Prompt tokens that needed no computing."),
        Metric("bramble_completion_tokens_total", "counter", "Tokens of all answers."),
        Metric("bramble_queue_seconds", "histogram", "From a question to its slot."),
        Metric("bramble_first_token_seconds", "histogram", "From a question to its first word."),
        Metric("bramble_token_seconds", "histogram", "From word to word: the mean of each answer."),
        Metric("bramble_slots", "gauge", "Answers that may be computed at once."),
        Metric("bramble_running", "gauge", "Answers that are computed now."),
        Metric("bramble_waiting", "gauge", "Requests that wait for a slot."),
        Metric("bramble_engine_phase", "gauge", "1 for what the engine is doing.", "phase"),
        Metric("bramble_engine_restarts_total", "counter", "Unexpected ends of the engine."),
        Metric("bramble_guard_level", "gauge", "0 calm, 1 tight, 2 critical."),
        Metric("bramble_guard_shed", "gauge", "1 for what is done without now.", "what"),
        Metric("bramble_threads", "gauge", "Cores that may compute, at most."),
        Metric("bramble_temperature_celsius", "gauge", "Heat of the processor, where it is told."),
        Metric("bramble_throttled", "gauge", "1 where heat slows the board down, where it tells."),
        Metric(
            "bramble_under_voltage", "gauge", "1 where the supply is too weak, where it is told."
        ),
        Metric(
            "bramble_resident_bytes", "gauge", "Memory that Bramble's processes hold.", "process"
        ),
        Metric(
            "bramble_memory_bytes",
            "gauge",
            "The machine's memory and swap, and what Bramble may still take.",
            "kind",
        ),
        Metric(
            "bramble_memory_pressure_percent",
            "gauge",
            "Of 10 s in which some or all work waited for memory, where the kernel tells.",
            "who",
        ),
    )
}
"""Every metric there is, by name; the first sample of one is made where its value is known."""

WAITS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
TOKENS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.0)
"""Bounds of histograms in seconds: a Pi 5 writes 40 words a second, a Zero one or two."""


class Metrics:
    """Counts what ended, and asks everybody else when it is asked itself."""

    def __init__(
        self, engine: Engine, scheduler: Scheduler, watch: Watch, embedder: Embedder | None
    ) -> None:
        self._engine, self._scheduler, self._watch = engine, scheduler, watch
        self._embedder = embedder
        self._outcomes: Counter[str] = Counter()
        self._prompt = self._cached = self._completion = 0
        self._queue, self._first = Histogram(WAITS), Histogram(WAITS)
        self._token = Histogram(TOKENS)
        scheduler.audit(self._count)

    def add_to(self, app: web.Application) -> None:
        """Its route."""
        app.router.add_get("/metrics", self.tell)

    async def tell(self, _: web.Request) -> web.Response:
        """GET /metrics."""
        text = exposition((METRICS[f"bramble_{name}"], value) for name, value in self._values())
        return web.Response(body=text.encode(), headers={"Content-Type": CONTENT_TYPE})

    def _count(self, account: Account) -> None:
        self._outcomes[account.outcome] += 1
        self._prompt += account.prompt_tokens
        self._cached += account.cached_tokens
        self._completion += account.completion_tokens
        for seconds, histogram in (
            (account.queue, self._queue),
            (account.first_token, self._first),
            (account.per_token, self._token),
        ):
            if seconds is not None:
                histogram.observe(seconds)

    def _values(self) -> Iterator[tuple[str, Value]]:
        yield "info", {bramble.__version__: 1}
        yield "answers_total", {outcome: self._outcomes[outcome] for outcome in OUTCOMES}
        yield "prompt_tokens_total", self._prompt
        yield "cached_tokens_total", self._cached
        yield "completion_tokens_total", self._completion
        yield "queue_seconds", self._queue
        yield "first_token_seconds", self._first
        yield "token_seconds", self._token
        yield "slots", self._scheduler.slots
        yield "running", self._scheduler.running
        yield "waiting", self._scheduler.waiting
        state = self._engine.state
        yield "engine_phase", {phase.value: phase is state.phase for phase in Phase}
        yield "engine_restarts_total", state.restarts
        yield from self._board()

    def _board(self) -> Iterator[tuple[str, Value]]:
        guard = self._watch.state
        yield "guard_level", guard.level
        yield "guard_shed", {shed.value: shed in guard.shed for shed in Shed}
        yield "threads", guard.threads
        processes = {
            "daemon": os.getpid(),
            "engine": self._engine.state.pid,
            "embedding": self._embedder.pid if self._embedder is not None else None,
        }
        yield (
            "resident_bytes",
            {name: memory.resident([pid]) for name, pid in processes.items() if pid},
        )
        if (facts := self._watch.facts) is None:
            return
        seen = facts.memory
        yield (
            "memory_bytes",
            {
                "total": seen.total,
                "available": seen.available,
                "swap": seen.swap,
                "swap_used": seen.swap_used,
                "left": seen.least.left,
            },
        )
        if (stalls := facts.pressure) is not None:
            yield "memory_pressure_percent", {"some": stalls.some, "full": stalls.full}
        if facts.heat.celsius is not None:
            yield "temperature_celsius", facts.heat.celsius
        if (throttle := facts.heat.throttle) is not None:
            yield "throttled", throttle.is_hot
            yield "under_voltage", throttle.is_weak
