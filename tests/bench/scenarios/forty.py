"""A conversation that outgrows its context again and again."""

from contextlib import suppress
from statistics import median

from tests.bench.measure import Failed, Figures, Line, Measure, Scenario, at_least, at_most, of
from tests.bench.person import person
from tests.bench.servers import bramble
from tests.bench.text import WORDS

OURS = "bramble"
TURNS = 40
CONTEXT = 1024


class Forty(Scenario):
    """40 turns of one conversation on the page, answers of at most 40 tokens, in a context of 1,024: it becomes longer
    than that, so old turns have to go while the person goes on.

    Targets: every turn is answered, and none waits more than twice the median for its first token.
    """

    name = "forty"
    most_rounds = 1
    lines = (
        Line("turns answered / asked", of("answered", OURS), of("turns", OURS), at_least(1)),
        Line(
            "slowest first token / median, s", of("worst_s", OURS), of("first_s", OURS), at_most(2)
        ),
    )

    def sides(self) -> dict[str, Measure]:
        """Only Bramble: the median turn is what the slowest is held to."""
        return {OURS: self._ours}

    async def _ours(self) -> Figures:
        firsts = list[float]()
        async with (
            bramble(self.options, "chat.max_tokens=40", context=CONTEXT) as server,
            person(server.url) as writer,
        ):
            for number in range(TURNS):
                word = WORDS[number % len(WORDS)]
                with suppress(Failed):  # counted by its absence
                    firsts.append(await writer.say(f"{number}: tell me a little about a {word}."))
        if not firsts:
            raise Failed("no turn was answered")
        return {
            "turns": TURNS,
            "answered": len(firsts),
            "first_s": median(firsts),
            "worst_s": max(firsts),
        }
