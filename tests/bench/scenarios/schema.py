"""Whether what programs are promised is what they get."""

import asyncio
from typing import Any

from jsonschema import ValidationError, validate
from msgspec import DecodeError
from msgspec.json import decode

from tests.bench.client import Client
from tests.bench.measure import Failed, Figures, Line, Measure, Scenario, at_least, of
from tests.bench.scenarios.loads import PEOPLE, warm
from tests.bench.scenarios.schemas import SCHEMAS, Json
from tests.bench.servers import bramble

OURS = "bramble"
EACH = 10
ANSWER_TOKENS = 512


class Schema(Scenario):
    """Ten JSON schemas, ten outputs each, temperature 1, four at any time; the `jsonschema` library checks every one.

    Target: all 100 validate; a grammar either holds or does not.
    """

    name = "schema"
    most_rounds = 1
    lines = (Line("valid / asked", of("valid", OURS), of("asked", OURS), at_least(1)),)

    def sides(self) -> dict[str, Measure]:
        """Only Bramble."""
        return {OURS: self._ours}

    async def _ours(self) -> Figures:
        waiting = [(name, seed) for name in SCHEMAS for seed in range(EACH)]
        asked = len(waiting)
        valid = list[bool]()
        async with bramble(self.options) as server, warm(server) as asking:

            async def one() -> None:
                while waiting:
                    valid.append(await _is_valid(asking, *waiting.pop(0)))

            await asyncio.gather(*(one() for _ in range(PEOPLE)))
        return {"asked": asked, "valid": sum(valid)}


async def _is_valid(asking: Client, name: str, seed: int) -> bool:
    question, schema = SCHEMAS[name]
    wanted = {"name": name, "schema": schema, "strict": True}
    options: dict[str, Any] = {
        "temperature": 1,
        "seed": seed,
        "response_format": {"type": "json_schema", "json_schema": wanted},
    }
    try:
        reply = await asking.chat([{"role": "user", "content": question}], ANSWER_TOKENS, **options)
    except Failed:
        return False
    return fits(reply.text, schema)


def fits(text: str, schema: Json) -> bool:
    """Whether a text is JSON of this schema."""
    try:
        validate(decode(text), schema)
    except (DecodeError, ValidationError):
        return False
    return True
