"""A board-tuned file beside the published one it replaces."""

from functools import partial
from pathlib import Path

from tests.bench.measure import Figures, Line, Measure, Missing, Scenario, at_least, at_most, of
from tests.bench.scenarios import loads
from tests.bench.servers import bramble, llama_server

TUNED, PUBLISHED, PEER = "bramble, tuned", "bramble, published", "llama-server, published"


class Tuned(Scenario):
    """`single` with the file that `bramble models tune` made (--tuned) and with the published layout (--model).

    Targets: 1.15 times as fast as the published layout in Bramble and in llama-server, file and memory at most 0.85
    of it. That the loss is no greater is measured where the file is made.
    """

    name = "tuned"
    lines = (
        Line("tokens a second", of("tok_s", TUNED), of("tok_s", PUBLISHED), at_least(1.15)),
        Line("beside llama-server, tok/s", of("tok_s", TUNED), of("tok_s", PEER), at_least(1.15)),
        Line("file, MB", of("file_mb", TUNED), of("file_mb", PUBLISHED), at_most(0.85)),
        Line("peak memory, MB", of("peak_mb", TUNED), of("peak_mb", PUBLISHED), at_most(0.85)),
    )

    def sides(self) -> dict[str, Measure]:
        """Both files in Bramble, the published one in llama-server."""
        return {
            TUNED: partial(self._ours, self.options.tuned),
            PUBLISHED: partial(self._ours, self.options.model),
            PEER: self._peer,
        }

    async def _ours(self, model: Path | None) -> Figures:
        if model is None:
            raise Missing("no tuned file was named: --tuned FILE")
        async with bramble(self.options, model=model) as server:
            return await loads.single(server) | {"file_mb": model.stat().st_size / 1e6}

    async def _peer(self) -> Figures:
        async with llama_server(self.options) as server:
            return await loads.single(server)
