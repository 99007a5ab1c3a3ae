"""Drafting where it pays, beside llama-server with and without its own."""

from functools import partial

from tests.bench.measure import Figures, Line, Measure, Scenario, at_least, of
from tests.bench.scenarios import loads
from tests.bench.servers import bramble, llama_server

OURS, PEER = "bramble", "llama-server"
NGRAMS = {
    f"{PEER} {kind}": kind
    for kind in ("ngram-simple", "ngram-map-k", "ngram-map-k4v", "ngram-mod", "ngram-cache")
}
"""Every kind of --spec-type that needs no second model."""


class Echo(Scenario):
    """ "Repeat this text": three texts of 60 words, 160 tokens each, which prompt lookup can guess.

    Targets: 1.6 times llama-server as it comes, which guesses nothing; no slower than the best of its
    --spec-type ngram-* (all are run, that with the highest median counts).
    """

    name = "echo"
    lines = (
        Line("beside its default, tok/s", of("tok_s", OURS), of("tok_s", PEER), at_least(1.6)),
        Line("beside its best ngram, tok/s", of("tok_s", OURS), of("tok_s", *NGRAMS), at_least(1)),
    )

    def sides(self) -> dict[str, Measure]:
        """Bramble, llama-server, and llama-server with each way of guessing."""
        sides: dict[str, Measure] = {OURS: self._ours, PEER: self._peer}
        for side, kind in NGRAMS.items():
            sides[side] = partial(self._peer, "--spec-type", kind)
        return sides

    async def _ours(self) -> Figures:
        async with bramble(self.options) as server:
            return await loads.echo(server)

    async def _peer(self, *arguments: str) -> Figures:
        async with llama_server(self.options, *arguments) as server:
            return await loads.echo(server)
