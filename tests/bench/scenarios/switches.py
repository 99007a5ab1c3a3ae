"""Bramble beside itself with a feature off."""

from functools import partial

from tests.bench.client import Client, Reply
from tests.bench.measure import Figures, Line, Measure, Scenario, at_least, at_most, of
from tests.bench.scenarios import loads
from tests.bench.servers import bramble
from tests.bench.text import PROMPTS, fresh

ON, OFF = "drafting", "engine.draft=0"
SHARED, OWN = "shared", "of one's own"
ROLE_TOKENS = 600


class Drafting(Scenario):
    """Repeated texts and prose with drafting and without: what it gives where it can, what it costs where it cannot.

    Targets: 1.6 times on repeated texts, as beside llama-server's default; on prose no more than 3 % may be lost, the
    same that typing ahead is allowed.
    """

    name = "drafting"
    lines = (
        Line("repeated texts, tok/s", of("echo_tok_s", ON), of("echo_tok_s", OFF), at_least(1.6)),
        Line("prose, tok/s", of("prose_tok_s", ON), of("prose_tok_s", OFF), at_least(0.97)),
    )

    def sides(self) -> dict[str, Measure]:
        """The default, and none."""
        return {ON: self._round, OFF: partial(self._round, "engine.draft=0")}

    async def _round(self, *settings: str) -> Figures:
        async with bramble(self.options, *settings) as server:
            echo = await loads.echo(server)
            prose = await loads.single(server, PROMPTS[:4])
            return {"echo_tok_s": echo["tok_s"], "prose_tok_s": prose["tok_s"]}


class Prefix(Scenario):
    """A second person asks a role with a system prompt of 600 tokens, which the first person has just asked or nobody
    has: seconds to the first token.

    Target: at most 0.3, what a restart is allowed for the same work saved.
    """

    name = "prefix"
    lines = (
        Line("seconds to the first token", of("first_s", SHARED), of("first_s", OWN), at_most(0.3)),
    )

    def sides(self) -> dict[str, Measure]:
        """The same prompt as somebody before, and another."""
        return {SHARED: partial(self._round, shared=True), OWN: partial(self._round, shared=False)}

    async def _round(self, *, shared: bool) -> Figures:
        async with bramble(self.options) as server, loads.warm(server) as asking:
            role = fresh(ROLE_TOKENS)
            await _ask(asking, role, PROMPTS[2])
            second = await _ask(asking, role if shared else fresh(ROLE_TOKENS), PROMPTS[4])
            return {"first_s": second.first}


async def _ask(asking: Client, role: str, question: str) -> Reply:
    messages = [{"role": "system", "content": role}, {"role": "user", "content": question}]
    return await asking.chat(messages, 16)
