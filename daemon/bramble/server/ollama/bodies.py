"""The bodies that Ollama's clients send, and the requests made of them. What they do not name is ignored."""

import re
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from bramble.engine.extras import Extras, Schema, Tool
from bramble.engine.wire import Turn
from bramble.errors import BadRequest
from bramble.scheduler import Request
from bramble.server.completion import SCHEMA_LIMIT, named
from bramble.server.offers import Called, Offer, offered
from bramble.server.ollama.options import Options

DURATION = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)((ns|us|µs|ms|s|m|h)((\d+(\.\d*)?|\.\d+)|$))*")
DEFAULT = Options()
NO_IMAGES = "This model reads text; it sees no images."


class Message(msgspec.Struct):
    """One message."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str = ""
    images: list[Any] | None = None
    tool_calls: list[Called] | None = None
    tool_name: str | None = None
    tool_call_id: str | None = None
    name: str | None = None

    def turn(self) -> Turn:
        """As the model's template reads it. Raises BadRequest."""
        if self.images:
            raise BadRequest(NO_IMAGES, field="images")
        calls = tuple(called.call() for called in self.tool_calls or ())
        name = self.tool_name or self.name or ""
        return Turn(self.role, self.content, calls, self.tool_call_id or "", name)


class Wish(msgspec.Struct, kw_only=True):
    """What both ways of asking have in common."""

    model: Annotated[str, Meta(min_length=1, max_length=256)]
    stream: bool | None = None
    format: Literal["json", ""] | dict[str, Any] | None = None
    options: Options | None = None
    keep_alive: float | str | None = None
    think: bool | Literal["", "low", "medium", "high"] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    cache: bool | None = None

    @property
    def is_fresh(self) -> bool:
        """Whether the answer is to be computed, also where it is known; no field of Ollama's."""
        return self.cache is False

    @property
    def streams(self) -> bool:
        """Ollama streams unless it is told not to."""
        return self.stream is not False

    def check(self, *, thinks: bool) -> None:
        """Raise BadRequest where something is wished that is not done here; `thinks` is whether the model can."""
        if self.think and not thinks:
            raise BadRequest(f"{self.model} does not support thinking.", field="think")
        if isinstance(self.keep_alive, str) and not DURATION.fullmatch(self.keep_alive):
            hint = 'Like "5m", "24h" or -1.'
            raise BadRequest("keep_alive is no duration.", hint, field="keep_alive")

    def request(self, turns: tuple[Turn, ...], extras: Extras, max_tokens: int) -> Request:
        """What is asked of the engine; `max_tokens` where no length is named."""
        options = self.options or DEFAULT
        length = options.length(max_tokens)
        return Request(turns, length, options.stops(), options.sampling(), extras)

    def extras(self, tools: tuple[Tool, ...] = (), prompt: str = "") -> Extras:
        """The finer wishes."""
        likely = (self.top_logprobs or 0) if self.logprobs else None
        think = None if self.think is None else bool(self.think)
        return Extras(
            prompt=prompt, logprobs=likely, schema=self._schema(), tools=tools, think=think
        )

    def _schema(self) -> Schema | None:
        if not self.format:
            return None if self.format != {} else Schema("{}")
        schema = {"type": "object"} if self.format == "json" else self.format
        text = msgspec.json.encode(schema)
        if len(text) > SCHEMA_LIMIT:
            raise BadRequest(f"The schema is longer than {SCHEMA_LIMIT} bytes.", field="format")
        return Schema(text.decode())


class ChatBody(Wish, kw_only=True):
    """POST /api/chat. Without messages only the model is loaded."""

    messages: list[Message] = []
    tools: list[Offer] | None = None
    truncate: bool | None = None

    def turns(self) -> tuple[Turn, ...]:
        """The conversation. Raises BadRequest."""
        return tuple(named(message.turn() for message in self.messages))

    def offered(self) -> tuple[Tool, ...]:
        """The functions that the model is told of."""
        return offered(self.tools, None)


class GenerateBody(Wish, kw_only=True):
    """POST /api/generate: one prompt, by the model's template or `raw`. Without one only the model is loaded."""

    prompt: str = ""
    system: str = ""
    raw: bool | None = None
    template: str = ""
    suffix: str = ""
    context: list[int] | None = None
    images: list[Any] | None = None

    def check(self, *, thinks: bool) -> None:
        """Raise BadRequest where something is wished that is not done here; `thinks` is whether the model can."""
        super().check(thinks=thinks)
        if self.images:
            raise BadRequest(NO_IMAGES, field="images")
        if self.suffix:
            raise BadRequest(f"{self.model} does not support insert.", field="suffix")
        if self.template and not self.raw:
            hint = "Send raw: true and the prompt as it is to be."
            raise BadRequest("The model's own template is used.", hint, field="template")
        if self.context:
            hint = "Send the conversation to /api/chat."
            raise BadRequest("Earlier answers are not known here.", hint, field="context")

    def turns(self) -> tuple[Turn, ...]:
        """The conversation; none where the prompt is raw."""
        if self.raw:
            return ()
        system = (Turn("system", self.system),) if self.system else ()
        return (*system, Turn("user", self.prompt))


class EmbedBody(msgspec.Struct):
    """POST /api/embed."""

    model: Annotated[str, Meta(min_length=1, max_length=256)]
    input: str | list[str] = ""
    truncate: bool | None = None
    dimensions: Annotated[int, Meta(ge=0, le=1 << 20)] | None = None


class OldEmbedBody(msgspec.Struct):
    """POST /api/embeddings, as clients sent it before /api/embed."""

    model: Annotated[str, Meta(min_length=1, max_length=256)]
    prompt: str = ""


class NameBody(msgspec.Struct):
    """A model's name; `name` is what it was called before."""

    model: Annotated[str, Meta(max_length=256)] = ""
    name: Annotated[str, Meta(max_length=256)] = ""
    stream: bool | None = None

    def asked(self) -> str:
        """The name. Raises BadRequest."""
        if not (self.model or self.name):
            raise BadRequest("model is required.", field="model")
        return self.model or self.name
