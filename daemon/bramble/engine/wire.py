"""Every message that crosses between the daemon and the engine process: tagged structs, as `framing` sends them."""

from typing import Literal

import msgspec

from bramble.engine.extras import Drawn, Extras, Said
from bramble.engine.extras import Sampling as Sampling
from bramble.engine.question import Card, Question, Told
from bramble.engine.turn import Turn as Turn

# ── daemon → engine ──────────────────────────────────────────────────────────────────────────────


class Alternative(msgspec.Struct, frozen=True):
    """Another model that could be used: what people call it, and its file's size in bytes."""

    name: str
    size: int


Ionice = Literal["none", "idle"] | int
"""Who reads from the disk first: 0 before 7, idle after everybody, none by `nice`."""


class Load(msgspec.Struct, frozen=True, tag=True):
    """First message: open this model. `context` is in tokens shared by all slots, `batch` the most tokens of one step.

    `threads` decode and `prefill_threads` prefill; 0 means as many as were measured to be fastest, which is remembered
    in the file `tuning` (empty: nowhere). `cores` are those to run on, empty: those it was started on. `draft` is the
    longest guess in tokens, 0 for none; `nice` as in nice(1), `ionice` as in ionice(1); `name` is what people call the
    model, empty for its own name. `memory` is what it may take in bytes, 0 for what the machine has to give;
    `alternatives` are named where it is too little; `aside` bytes are for prefixes that are moved out of the cache, and
    `kept_bytes` of the disk for what outlives the process, in the folder `kept` (empty: nothing does). The machines of
    `rpc` (`host:port`) compute a part of the model.
    """

    model: str
    context: int
    slots: int
    threads: int
    batch: int
    max_step_ms: int
    draft: int = 0
    nice: int = 0
    name: str = ""
    memory: int = 0
    alternatives: tuple[Alternative, ...] = ()
    prefill_threads: int = 0
    tuning: str = ""
    cores: tuple[int, ...] = ()
    aside: int = 0
    ionice: Ionice = "none"
    kept: str = ""
    kept_bytes: int = 0
    rpc: tuple[str, ...] = ()


class Generate(msgspec.Struct, frozen=True, tag=True):
    """Answer a conversation, after what was `said` of the answer already. `max_tokens` bounds all of the answer.

    `conversation` names one that is stored, and so may be kept on disk; empty for all others.
    """

    id: int
    turns: tuple[Turn, ...]
    max_tokens: int
    stop: tuple[str, ...] = ()
    sampling: Sampling = Sampling()
    extras: Extras = Extras()
    said: Said = Said()
    conversation: str = ""


class Typing(msgspec.Struct, frozen=True, tag=True):
    """Somebody (`key`) is typing the last of these turns: compute ahead while nothing else is to do.

    Replaces the last draft of the same key; without turns it only ends that. Never answered. `conversation` as in
    `Generate`.
    """

    key: str
    turns: tuple[Turn, ...]
    conversation: str = ""


class Forget(msgspec.Struct, frozen=True, tag=True):
    """A stored conversation or a system prompt (or neither: empty) was deleted: keep nothing of it. Never answered."""

    conversation: str = ""
    system: str = ""


class Cancel(msgspec.Struct, frozen=True, tag=True):
    """Stop working on a request; answered by `Done(reason="cancelled")` within one step."""

    id: int


class Limits(msgspec.Struct, frozen=True, tag=True):
    """From now on compute on at most `threads` cores and keep less; never answered, and the newest counts.

    `ahead`: whether to compute what is being typed; `aside`: the part of `Load.aside` that may be used, 0 to 1; `idle`:
    whether slots without an answer keep what they hold.
    """

    threads: int
    ahead: bool = True
    aside: float = 1.0
    idle: bool = True


class Ping(msgspec.Struct, frozen=True, tag=True):
    """Are you alive? Answered by `Pong` from the engine's own loop, between two steps."""

    n: int


class Shutdown(msgspec.Struct, frozen=True, tag=True):
    """Leave now, in order. So many seconds may be spent on keeping what is hot."""

    seconds: float = 0.0


class LoadEmbedding(msgspec.Struct, frozen=True, tag=True):
    """First message to an engine that embeds: open this model. `context` bounds one text, in tokens."""

    model: str
    context: int
    threads: int
    nice: int
    name: str
    ionice: Ionice = "none"


class Embed(msgspec.Struct, frozen=True, tag=True):
    """Turn each text (or its tokens) into a vector; answered by `Embedded` or `Refused`.

    `dimensions` keeps that many numbers of each vector, 0 all of them. With `cut` too long a text counts as far as it
    fits, else it is refused.
    """

    id: int
    texts: tuple[str | tuple[int, ...], ...]
    dimensions: int = 0
    cut: bool = False


# ── engine → daemon ──────────────────────────────────────────────────────────────────────────────


class Loading(msgspec.Struct, frozen=True, tag=True):
    """How far loading is, 0 to 1."""

    fraction: float


TemplateKind = Literal["model", "chatml", "none"]


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The model answers. Sizes in bytes, times in seconds, lengths in tokens.

    `kernels` names the CPU library in use, where the build has several.
    """

    name: str
    description: str
    size: int
    parameters: int
    context: int
    context_trained: int
    slots: int
    threads: int
    load_seconds: float
    template: TemplateKind
    notes: tuple[str, ...] = ()
    prefill_threads: int = 0
    kernels: str = ""
    card: Card = Card()


class Unusable(msgspec.Struct, frozen=True, tag=True):
    """This model cannot be used, and trying again would not help unless `needed` bytes of memory are there.

    With `again` it may help soon: what is missing is another machine.
    """

    message: str
    hint: str = ""
    needed: int = 0
    again: bool = False


class Pong(msgspec.Struct, frozen=True, tag=True):
    """Counters since the engine started; `slowest_step_ms` is the longest single step so far, `threads` decode now."""

    n: int
    steps: int
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    running: int
    slowest_step_ms: float
    threads: int = 0


class Started(msgspec.Struct, frozen=True, tag=True):
    """A request has its slot. `cached_tokens` of its `prompt_tokens` need no computing."""

    id: int
    prompt_tokens: int
    cached_tokens: int


class Progress(msgspec.Struct, frozen=True, tag=True):
    """Prefill: `done` of `total` prompt tokens are computed (cached ones included)."""

    id: int
    done: int
    total: int


class Piece(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """The next characters of an answer, never half of one. `tokens` counts all of its tokens so far.

    `ids` are those drawn since the last piece; `drawn` tells of them where logprobs were asked for.
    """

    id: int
    text: str
    tokens: int
    drawn: tuple[Drawn, ...] = ()
    ids: tuple[int, ...] = ()


FinishReason = Literal["stop", "length", "cancelled"]


class Done(msgspec.Struct, frozen=True, tag=True):
    """An answer is over. Times in milliseconds; `prefill_ms` runs from the request to its first token."""

    id: int
    reason: FinishReason
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    prefill_ms: float
    decode_ms: float


RefusalCode = Literal["context_length_exceeded", "bad_request", "internal"]


class Refused(msgspec.Struct, frozen=True, tag=True):
    """This one request cannot be answered; others are not affected."""

    id: int
    code: RefusalCode
    message: str
    prompt_tokens: int = 0
    context: int = 0


class Embedded(msgspec.Struct, frozen=True, tag=True):
    """One vector of length 1 for each text, in order: little-endian float32. `tokens` counts all that were read."""

    id: int
    vectors: tuple[bytes, ...]
    tokens: int


Event = Started | Progress | Piece | Done | Refused | Embedded | Told


class Events(msgspec.Struct, frozen=True, tag=True):
    """Everything that one step produced, in order, in one frame: one wake-up of the daemon a step."""

    events: tuple[Event, ...]


ToEngine = (
    Load
    | Generate
    | Typing
    | Forget
    | Cancel
    | Limits
    | Ping
    | Shutdown
    | LoadEmbedding
    | Embed
    | Question
)
ToDaemon = Loading | Ready | Unusable | Pong | Events
