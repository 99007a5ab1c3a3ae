"""What an API's client may ask for beyond an answer to a conversation; parts of the wire's messages."""

import msgspec


class ToolCall(msgspec.Struct, frozen=True):
    """A function that the assistant called; `arguments` as JSON text."""

    id: str
    name: str
    arguments: str


class Tool(msgspec.Struct, frozen=True):
    """A function that may be called; `parameters` is the JSON schema of its arguments, as JSON text."""

    name: str
    description: str = ""
    parameters: str = "{}"


class Schema(msgspec.Struct, frozen=True):
    """The answer is to be JSON of this schema (JSON text). `strict` refuses what a grammar cannot hold it to."""

    text: str
    strict: bool = False


class Bias(msgspec.Struct, frozen=True):
    """What is added to a token's logit before anything else."""

    token: int
    bias: float


class Sampling(msgspec.Struct, frozen=True, omit_defaults=True):
    """How the next token is drawn; defaults are llama-server's. `seed` None draws a fresh one."""

    temperature: float = 0.8
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    repeat_penalty: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    seed: int | None = None
    logit_bias: tuple[Bias, ...] = ()


class Extras(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an API's client may ask for beyond an answer to a conversation.

    `prompt` (text) or `tokens` stand in place of the turns. `logprobs` is how many likely tokens to tell beside each
    one drawn, None for no probabilities at all. One of the tools named in `forced` must be called; `several` at once.
    `think` says whether a model that can is to think first, None leaves it to its template.
    """

    prompt: str = ""
    tokens: tuple[int, ...] = ()
    logprobs: int | None = None
    schema: Schema | None = None
    tools: tuple[Tool, ...] = ()
    forced: tuple[str, ...] = ()
    several: bool = True
    think: bool | None = None


class Said(msgspec.Struct, frozen=True, omit_defaults=True):
    """An answer as far as it got: it goes on from there, and nothing of this is told again.

    `tokens` are all `ids` of its pieces in order. With them the seam shows nowhere: nothing is tokenized anew, text
    that was held back (half a character, what may become a stop string) is still known, draws and grammar go on where
    they were, and lengths count from the answer's beginning. `shown` is how many characters its pieces had; it matters
    where the answer was over before, as the end tells what was held back.

    Where the tokens are not known (another model wrote it, or a person) `text` is what was shown: it is tokenized by
    itself, and `tokens` and `shown` are about what came after it.
    """

    text: str = ""
    tokens: tuple[int, ...] = ()
    shown: int = 0


class Likely(msgspec.Struct, frozen=True):
    """A token's bytes (maybe half a character) and the logarithm of its probability."""

    token: bytes
    logprob: float


class Drawn(msgspec.Struct, frozen=True):
    """A drawn token and the likeliest ones in its place, before temperature and cuts."""

    token: bytes
    logprob: float
    top: tuple[Likely, ...] = ()
