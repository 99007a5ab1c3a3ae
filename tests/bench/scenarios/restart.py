"""The first question after a restart."""

from pathlib import Path
from tempfile import mkdtemp

from tests.bench.client import client
from tests.bench.measure import Figures, Line, Measure, Scenario, at_most, of
from tests.bench.servers import bramble
from tests.bench.text import filler, words

AGAIN, COLD = "after a restart", "cold"
ROLE = "You are the keeper of this list. " + filler(3, words(600))


class Restart(Scenario):
    """A role with a system prompt of about 600 tokens is asked twice, the daemon is stopped in order and started again,
    and the role is asked something else: seconds to the first token, beside a daemon that starts without that state.

    Target: at most 0.3 of cold; what is read back from disk need not be computed.
    """

    name = "restart"
    lines = (
        Line("seconds to the first token", of("first_s", AGAIN), of("first_s", COLD), at_most(0.3)),
    )

    def sides(self) -> dict[str, Measure]:
        """With the state of a daemon before, and without."""
        return {AGAIN: self._again, COLD: self._cold}

    async def _again(self) -> Figures:
        state = self._empty()
        await self._asked(state, "What is on it first?", "And what comes last?")
        return await self._asked(state, "How long is it?")

    async def _cold(self) -> Figures:
        return await self._asked(self._empty(), "How long is it?")

    def _empty(self) -> Path:
        return Path(mkdtemp(prefix="state-", dir=self.options.folder))

    async def _asked(self, state: Path, *questions: str) -> Figures:
        """A daemon's life: started with this state, asked this, ended by SIGTERM. The first token of the first."""
        async with bramble(self.options, state=state) as server, client(server.url) as asking:
            firsts = [
                await asking.chat(
                    [{"role": "system", "content": ROLE}, {"role": "user", "content": question}], 16
                )
                for question in questions
            ]
            return {"first_s": firsts[0].first}
