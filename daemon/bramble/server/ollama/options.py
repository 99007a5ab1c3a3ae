"""How Ollama's clients say how an answer is drawn. Options about the machine are Bramble's business and ignored."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from bramble.engine.wire import Sampling
from bramble.server.parameters import Part, Penalty

WHOLE_CONTEXT = 1 << 31
"""More tokens than any context holds."""


class Options(msgspec.Struct):
    """The options that count. Whole numbers may come as 8192.0, as Home Assistant sends them."""

    num_ctx: Annotated[float, Meta(ge=1, le=1 << 31)] | None = None
    num_predict: Annotated[float, Meta(ge=-2, le=1 << 31)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_k: Annotated[float, Meta(ge=0, le=1 << 30)] | None = None
    top_p: Part | None = None
    min_p: Part | None = None
    repeat_penalty: Annotated[float, Meta(gt=0, le=10)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    seed: Annotated[float, Meta(ge=-(1 << 53), le=1 << 53)] | None = None
    stop: str | Annotated[list[str], Meta(max_length=16)] | None = None

    def sampling(self) -> Sampling:
        """As the engine reads it."""
        names = (name for name in Sampling.__struct_fields__ if name not in ("top_k", "seed"))
        given = {name: getattr(self, name, None) for name in names}
        named: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        if self.top_k is not None:
            named["top_k"] = int(self.top_k)
        if self.seed is not None:
            named["seed"] = int(self.seed)
        return Sampling(**named)

    def stops(self) -> tuple[str, ...]:
        """The strings that end an answer."""
        stop = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return tuple(text for text in stop if text)

    def length(self, otherwise: int) -> int:
        """Most tokens of the answer; what is not above 0 means as many as there is room for."""
        if self.num_predict is None:
            return otherwise
        return int(self.num_predict) if self.num_predict >= 1 else WHOLE_CONTEXT
