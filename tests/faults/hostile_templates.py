"""Chat templates that are hostile programs."""

import asyncio
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil
from aiohttp import ClientSession

from tests.daemons import Live
from tests.engine import tiny
from tests.faults.fault import Fault, Tally
from tests.faults.fuzz_models import MEGABYTES, SECONDS, judged
from tests.faults.ground import high_water, unplanned

HOSTILE: Sequence[str] = (
    "{% for a in range(10**9) %}x{% endfor %}",
    "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}{% endfor %}{% endfor %}{% endfor"
    " %}",
    "{{ 'x' * 10**10 }}",
    "{{ 10 ** 10 ** 10 }}",
    "{{ 'x'.center(10**10) }}",
    "{{ 'x' | center(1000000000) }}",
    "{{ '%1000000000d' | format(1) }}",
    "{{ '{:1000000000}'.format(1) }}",
    "{{ 'x'.ljust(4000000000) }}",
    "{{ range(10**9) | list }}",
    "{{ range(10**9) | sum }}",
    "{{ range(10**9) | map('string') | join }}",
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "{% macro f(n) %}{{ f(n) }}{{ f(n) }}{% endmacro %}{{ f(1) }}",
    "{% set ns = namespace(x='a') %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}",
    "{% set n = namespace(x=[]) %}{% for i in range(99) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x | string }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ cycler.__init__.__globals__.os.system('touch /tmp/bramble-was-here') }}",
    "{{ lipsum.__globals__['os'].popen('id').read() }}",
    "{{ self.__init__.__globals__ }}",
    "{{ messages.__class__.__base__ }}",
    "{{ (messages|attr('__class__')).__mro__ }}",
    "{{ raise_exception.__globals__ }}",
    "{{ raise_exception.__code__ }}",
    "{{ strftime_now.__globals__.__builtins__.__import__('os').getpid() }}",
    "{{ messages[0].__setitem__('content', 'x') }}",
    "{{ messages.clear() }}",
    "{{ messages.append(messages) }}{{ messages | tojson }}",
    "{{ lipsum(n=1000000) }}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}{{ os.getcwd() }}",
    "{% extends 'x' %}",
    "{{ raise_exception('no') }}",
    "{{ strftime_now('%Y' * 9999) }}",
    "{{ strftime_now('%') }}",
    "{{ messages | tojson(indent=1000000000) }}",
    "{{ [1] | batch(1000000000, 0) | list }}",
    "{{ [1] | slice(1000000000) | list }}",
    "{{ ('x' | list) | groupby(messages) }}",
    "{{ 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' | wordwrap(0) }}",
    "{{ 'a' | indent(1000000000) }}",
    "{{ ('a' ~ 'b') | replace('', 'x' ~ '"
    + "y" * 9999
    + "') | replace('', 'z' ~ '"
    + "y" * 9999
    + "') }}",
    "{{ '" + "<" * 99_999 + "' | striptags | urlize }}",
    "{{ " + "(" * 9999 + "1" + ")" * 9999 + " }}",
    "{{ " + "-" * 99_999 + "1 }}",
    "{% if " * 2000,
    "{{ unclosed",
    "\0\x1b]0;title\x07{{ '\ud83d' }}",
    "x" * 300_000,
    "",
)
TAIL = "{% for message in messages %}{{ message.content }}{% endfor %}"
"""So that what is not refused renders something."""
MARK = Path("/tmp/bramble-was-here")


class HostileTemplates(Fault):
    """50 models whose chat templates loop, grow, climb out of the sandbox or are no templates at all.

    A daemon with each is ready or says why not within 5 s more than a plain one, the engine takes at most 256 MiB, a
    question gets an answer or a clear error, and nothing that a template calls happens. p95 of the time to that.
    """

    name, full, few, timed = "hostile-templates", len(HOSTILE), 2, "verdict"

    async def inflict(self, tally: Tally, tries: int) -> None:
        """So many of them; a few are taken from the middle."""
        folder, peaks = self.ground.new_folder(), [0.0]
        plain = await self._load(tiny.llama(folder / "plain.gguf"))
        for number in random.sample(range(len(HOSTILE)), min(tries, len(HOSTILE))):
            source = (HOSTILE[number] + TAIL).encode("utf-8", "replace").decode()
            keys = {"tokenizer.chat_template": source}
            file = tiny.llama(folder / f"{number}.gguf", keys=keys)
            with tally.attempt(), self.ground.daemon(f"engine.model={file}") as live:
                began, watching = time.monotonic(), asyncio.create_task(_watch(live, peaks))
                status = await judged(live, 6 * SECONDS)
                seconds = max(0.0, time.monotonic() - began - plain)
                tally.seconds.append(seconds)
                assert seconds <= SECONDS, (
                    f"{HOSTILE[number][:60]!r}: {status} after {seconds:.1f} s"
                )
                await _asked(live, HOSTILE[number])
                watching.cancel()
                assert live.process.poll() is None, "the daemon is gone"
                assert not MARK.exists(), HOSTILE[number]
                assert not (words := unplanned(live)), words
        tally.bound("most memory", max(peaks), MEGABYTES, "MiB")

    async def _load(self, file: Path) -> float:
        """Seconds to a verdict on a model without such a template."""
        with self.ground.daemon(f"engine.model={file}") as live:
            began = time.monotonic()
            assert await judged(live, 6 * SECONDS) == "ready"
            return time.monotonic() - began


async def _watch(live: Live, peaks: list[float]) -> None:
    """Note what each engine holds at most."""
    daemon = psutil.Process(live.process.pid)
    while True:
        with suppress(psutil.Error):
            peaks += [high_water(child.pid) for child in daemon.children()]
        await asyncio.sleep(0.02)


async def _asked(live: Live, template: str) -> None:
    """A question gets an answer, or is told in words why not."""
    body = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4}
    async with (
        asyncio.timeout(4 * SECONDS),
        ClientSession() as http,
        http.post(f"{live.url}/v1/chat/completions", json=body) as response,
    ):
        told = await response.json()
        assert response.status == 200 or told["error"]["message"], (template[:60], told)
        assert response.status in (200, 400, 503), (template[:60], told)
