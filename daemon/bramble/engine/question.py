"""Small questions about a loaded model, and what it is: parts of the wire's messages. None of them takes a slot."""

import msgspec

from bramble.engine.extras import Tool
from bramble.engine.turn import Turn


class Card(msgspec.Struct, frozen=True):
    """What a model's file says of itself. `metadata` has the GGUF's short values as text; `file` is its path.

    `template` is the Jinja source that is used, `width` the numbers of an embedding.
    """

    file: str = ""
    template: str = ""
    bos: str = ""
    eos: str = ""
    vocabulary: int = 0
    width: int = 0
    metadata: dict[str, str] = {}

    @property
    def thinks(self) -> bool:
        """Whether it may think before it speaks, and be told not to."""
        return "enable_thinking" in self.template


class Tokenize(msgspec.Struct, frozen=True, tag=True):
    """A text's tokens. `special` puts a BOS in front where the model wants one, `parse` reads special tokens in it.

    `pieces` asks for the bytes of each.
    """

    id: int
    text: str
    special: bool = False
    parse: bool = True
    pieces: bool = False


class Detokenize(msgspec.Struct, frozen=True, tag=True):
    """The text of tokens."""

    id: int
    tokens: tuple[int, ...]


class Apply(msgspec.Struct, frozen=True, tag=True):
    """The prompt that the model's template makes of a conversation."""

    id: int
    turns: tuple[Turn, ...]
    tools: tuple[Tool, ...] = ()


class Inspect(msgspec.Struct, frozen=True, tag=True):
    """What the slots hold and do."""

    id: int


class Tokenized(msgspec.Struct, frozen=True, tag=True):
    """The tokens, and the bytes of each (maybe half a character) where they were asked for."""

    id: int
    tokens: tuple[int, ...]
    pieces: tuple[bytes, ...] = ()


class Detokenized(msgspec.Struct, frozen=True, tag=True):
    """The tokens' text, special ones included."""

    id: int
    text: str


class Applied(msgspec.Struct, frozen=True, tag=True):
    """The prompt."""

    id: int
    prompt: str


class SlotState(msgspec.Struct, frozen=True):
    """One slot: how many tokens it `held`, and of an answer that is written in it the id and the counts in tokens."""

    held: int
    answer: int = 0
    prompt: int = 0
    cached: int = 0
    written: int = 0
    limit: int = 0


class Inspected(msgspec.Struct, frozen=True, tag=True):
    """All slots in order."""

    id: int
    slots: tuple[SlotState, ...]


Question = Tokenize | Detokenize | Apply | Inspect
Told = Tokenized | Detokenized | Applied | Inspected
