"""What all kinds of completion may ask: length, stops, how tokens are drawn, how many answers, how they are sent."""

from typing import Annotated

import msgspec
from msgspec import Meta

from bramble.engine.extras import Bias
from bramble.engine.wire import Sampling

Tokens = Annotated[int, Meta(ge=1, le=1 << 31)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]
Part = Annotated[float, Meta(ge=0, le=1)]
Weight = Annotated[float, Meta(ge=-100, le=100)]

JsonObject = Annotated[msgspec.Raw, Meta(extra_json_schema={"type": "object"})]
"""An object that is handed on as it came."""

SEEDS = 1 << 63


def empty_object() -> msgspec.Raw:
    """{}"""
    return msgspec.Raw(b"{}")


def any_object() -> msgspec.Raw:
    """The schema of any JSON object."""
    return msgspec.Raw(b'{"type":"object"}')


class StreamOptions(msgspec.Struct):
    """What else a stream shall tell."""

    include_usage: bool | None = None


class Drawing(msgspec.Struct, kw_only=True):
    """How tokens are drawn. Null counts as not there."""

    seed: Annotated[int, Meta(ge=-SEEDS, le=SEEDS - 1)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=0, le=(1 << 31) - 1)] | None = None
    min_p: Part | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    logit_bias: Annotated[dict[int, Weight], Meta(max_length=1024)] | None = None
    cache: bool | None = None

    @property
    def is_fresh(self) -> bool:
        """Whether the answer is to be computed, also where it is known."""
        return self.cache is False

    def sampling(self) -> Sampling:
        """As the engine reads it."""
        names = (*Sampling.__struct_fields__,)
        named = {name: getattr(self, name, None) for name in names if name != "logit_bias"}
        bias = tuple(Bias(token, weight) for token, weight in (self.logit_bias or {}).items())
        given = {name: value for name, value in named.items() if value is not None}
        return Sampling(**given, logit_bias=bias)


class Parameters(Drawing, kw_only=True):
    """The fields that the bodies of completions share. What they do not name is ignored."""

    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Tokens | None = None
    stop: str | Annotated[list[str], Meta(max_length=4)] | None = None
    n: Annotated[int, Meta(ge=1, le=4)] | None = None

    @property
    def include_usage(self) -> bool:
        """Whether a stream ends with the usage."""
        return bool(self.stream_options and self.stream_options.include_usage)

    @property
    def choices(self) -> int:
        """How many answers to each prompt."""
        return self.n or 1

    def stops(self) -> tuple[str, ...]:
        """The strings that end an answer."""
        stop = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return tuple(text for text in stop if text)

    def samplings(self) -> list[Sampling]:
        """One a choice; with a seed each draws with its own, the first with the one that was named."""
        first = self.sampling()
        if first.seed is None:
            return [first] * self.choices
        seeds = [(first.seed + SEEDS + choice) % (2 * SEEDS) for choice in range(self.choices)]
        return [msgspec.structs.replace(first, seed=seed - SEEDS) for seed in seeds]
